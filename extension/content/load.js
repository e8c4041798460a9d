// A content script cannot be a module; this one only loads the module that is.
void import((globalThis.browser ?? globalThis.chrome).runtime.getURL("content/main.js"));
