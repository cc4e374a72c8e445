// Asks the program that serves this page. It answers a command at once, and tells what happens as
// events, first and after each interruption how everything is.

const ENDED =
  "tlf has ended, or cannot be reached. Start it again with the command at the end of this page, and open the new address.";
const CLOSED = 2;

export function liveSource() {
  let tell = () => {};
  let events = null;
  // What the program said as it ended.
  let ended = null;
  // Attempts to reach the program since it last answered.
  let failures = 0;
  let sent = Promise.resolve();

  const fail = (text) => tell({ kind: "failed", text });
  const receive = (message) => {
    failures = 0;
    const event = JSON.parse(message.data);
    if (event.ended) {
      ended = event.text;
      events.close();
    }
    tell(event);
  };
  // The browser tries again by itself. A first failure may be a computer that has slept.
  const lose = () => {
    failures += 1;
    if (failures === 2 || events.readyState === CLOSED) fail(ENDED);
  };
  // A browser allows six connections to a program. So a tab that nobody sees keeps none.
  const follow = () => {
    events?.close();
    if (ended || document.hidden) return;
    failures = 0;
    events = new EventSource("events");
    events.onmessage = receive;
    events.onerror = lose;
  };
  const post = async (name, body) => {
    try {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(name, { method: "POST", headers, body: JSON.stringify(body) });
      if (!answer.ok) fail(await answer.text());
    } catch {
      // Also after the end: what was clicked is taken back.
      fail(ended ?? ENDED);
    }
  };
  return {
    recorded: null,
    connect(listener) {
      tell = listener;
      follow();
      document.addEventListener("visibilitychange", follow);
    },
    // One after the other: commands that overtake each other would mean something else.
    send(name, body) {
      sent = sent.then(() => post(name, body));
    },
  };
}
