// The menu in the header: the commands for people who do not type them.

export function startMenu(menu, run) {
  for (const button of menu.querySelectorAll("[data-command]")) {
    button.addEventListener("click", () => {
      menu.hidePopover();
      run(button.dataset.command);
    });
  }
}
