// Loads the module that reports a question to which this tab was led from the page it was written on.
void import((globalThis.browser ?? globalThis.chrome).runtime.getURL("content/question-page.js")).then((questionPage) =>
  questionPage.onLoad(),
);
