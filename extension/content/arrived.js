// Where a tab shows a question, this tells the background so, and nothing else.
void import((globalThis.browser ?? globalThis.chrome).runtime.getURL("content/arrival.js")).then((arrival) =>
  arrival.tellArrival(),
);
