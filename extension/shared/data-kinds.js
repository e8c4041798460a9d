/** Firefox's kinds of data for each consent; it stores a consent of its own for each kind. Chromium has none. */
export const DATA_KINDS = Object.freeze({
  drafts: ["websiteContent"],
  counts: ["websiteActivity", "technicalAndInteraction"],
});
