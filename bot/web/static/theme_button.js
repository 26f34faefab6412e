// The button that switches between dark and light. Until it is pressed the page follows the system.

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export function startThemeButton(button) {
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (systemIsDark.matches ? "dark" : "light")) === "dark";

  const show = () => {
    button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    button.querySelector("use").setAttribute("href", isDark() ? "#icon-sun" : "#icon-moon");
  };

  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    show();
  });
  systemIsDark.addEventListener("change", show);
  show();
}

function remember(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage is blocked: the choice lasts until the page is left.
  }
}
