// Tells the background that this tab shows a question: only so is a question just submitted known as posted.
// Reads nothing but the address.
{
  const [, place, number] = /^\/(questions|staging-ground)\/(\d+)(?:\/|$)/.exec(location.pathname) ?? [];
  // What is staged is posted, but no question yet: its number is of another series.
  const question_id = place === "questions" ? Number(number) : null;
  const { runtime } = globalThis.browser ?? globalThis.chrome;
  const FIRST_WAIT_MS = 200;
  const TRIES = 6;

  /** Says it until there is an answer: the worker may die while it listens, and it is safe to hear it twice. */
  const tell = async (tries = 1) => {
    try {
      const reply = await runtime.sendMessage({ type: "arrived", question_id });
      if (!reply || "fault" in reply) throw new Error(reply?.fault ?? "no answer from the background");
    } catch {
      if (tries < TRIES) setTimeout(tell, FIRST_WAIT_MS * 2 ** tries, tries + 1);
    }
  };
  if (place) void tell();
}
