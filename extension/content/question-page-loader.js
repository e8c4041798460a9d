// Where a tab was led to a question from the page it was written on, this tells the background so, and nothing else.
void import((globalThis.browser ?? globalThis.chrome).runtime.getURL("content/question-page.js")).then((arrival) =>
  arrival.tellLoaded(),
);
