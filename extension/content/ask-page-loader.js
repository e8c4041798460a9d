// Runs where a question can be written, and on every page of the site once tags may be suggested: a page of scripts may
// become an ask page without being loaded. It loads nothing before that, and nothing where no question can be written.
(() => {
  const scope = /** @type {any} */ (globalThis);
  /** @type {typeof chrome} */
  const { runtime, storage } = scope.browser ?? scope.chrome;
  const ASK_PATH = /^\/(questions\/ask|posts\/\d+\/edit)(\/|$)/;
  /** @type {Promise<typeof import("./ask-page.js")> | undefined} */
  let loading;

  /** @param {Event} [change]  of the address */
  async function onAddress(change) {
    if (!runtime.id) return;
    const { pathname } = location;
    const isAskAddress = ASK_PATH.test(pathname);
    if (isAskAddress && !loading && (await storage.local.get("agreed"))["agreed"]) {
      loading = import(runtime.getURL("content/ask-page.js"));
    }
    (await loading)?.onAddress(isAskAddress, pathname, change);
  }

  // A page that was open when tags were allowed gets this script then, and may have it already.
  if (scope.tagalong) return;
  scope.tagalong = true;
  scope.navigation?.addEventListener("currententrychange", onAddress);
  storage.local.onChanged.addListener(({ agreed }) => agreed?.newValue && void onAddress());
  void onAddress();
})();
