// Applies the remembered colours before the first paint; a classic script, because modules run after it.
(() => {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is blocked: the system's colours are used.
  }
})();
