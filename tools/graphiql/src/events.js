/** What came of the latest subscription, of which the answer's pane shows the last event only. */

import { createStore } from 'zustand';

/** The state is null before the first subscription. */
export const events = createStore(() => null);

export function began() {
  events.setState({ live: true, count: 0, last: null }, true);
}

export function came() {
  events.setState({ count: events.getState().count + 1, last: new Date() });
}

export function ended() {
  events.setState({ live: false });
}
