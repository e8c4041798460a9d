/** Keeps the chips' theme and text direction the same as the page's. */

/** @param {HTMLElement} host @param {AbortSignal} signal */
export function followTheme(host, signal) {
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const update = () => {
    const { classList } = document.body;
    const dark = classList.contains("theme-dark") || (classList.contains("theme-system") && systemDark.matches);
    host.toggleAttribute("data-dark", dark);
    host.toggleAttribute("data-contrast", classList.contains("theme-highcontrast"));
    host.dir = getComputedStyle(document.documentElement).direction;
  };
  const observer = new MutationObserver(update);
  observer.observe(document.body, { attributeFilter: ["class"] });
  observer.observe(document.documentElement, { attributeFilter: ["dir"] });
  systemDark.addEventListener("change", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  update();
}
