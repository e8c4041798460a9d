"""Every statement of the rates: each one pass over the items, drafts or events of a span, grouped in the database.

The rows' columns are fields of ``Counts``, plus the keys that they are grouped by: day, model version, position or tag.
The terms are defined here, once:

* viewed item: ``viewed_at`` is set. Only viewed items count; one that was accepted and never viewed is a
  bookkeeping fault.
* accepted: ``accepted_at`` is set. Dismissed: ``dismissed_at`` is set and ``accepted_at`` is not.
* a tag: the name that it was counted under, whichever name of it the writer or the page used.
* offered in a draft: among the first ``confident`` tags of any of its suggestions.
* answered draft: it has a suggestion. Posted draft: ``posted_at`` is set.
"""
