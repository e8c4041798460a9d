// Where a question can be written, and on every page of the site once drafts may be sent: a page of scripts may become
// one without being loaded. Before a yes, and until a question can be written, it loads nothing and says nothing.
(() => {
  const scope = /** @type {any} */ (globalThis);
  /** @type {typeof chrome} */
  const { runtime, storage } = scope.browser ?? scope.chrome;
  const WRITING = /^\/(questions\/ask|posts\/\d+\/edit)(\/|$)/;
  /** @type {Promise<typeof import("./ask-page.js")> | undefined} */
  let main;

  /** @param {Event} [change]  of the address */
  async function follow(change) {
    if (!runtime.id) return;
    const { pathname } = location;
    const writing = WRITING.test(pathname);
    if (writing && !main && (await storage.local.get("agreed"))["agreed"]) {
      main = import(runtime.getURL("content/ask-page.js"));
    }
    (await main)?.follow(writing, pathname, change);
  }

  // A page that was open at the yes is given the script, and may have it from before.
  if (scope.tagalong) return;
  scope.tagalong = true;
  scope.navigation?.addEventListener("currententrychange", follow);
  storage.local.onChanged.addListener(({ agreed }) => agreed?.newValue && void follow());
  void follow();
})();
