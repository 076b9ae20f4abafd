/** How the page signs in: with an API key, or with a login, whose cookie no script can read. */

import { createStore } from 'zustand';

const KEY = 'pictor:apiKey';
const OFFERED = 'pictor:offeredApiKey';
const WAY = 'pictor:signIn';

/** The state is the key itself, '' where there is none. It is kept in this browser's localStorage and nowhere else. */
export const apiKey = createStore(() => localStorage.getItem(KEY) ?? '');

apiKey.subscribe((key) => localStorage.setItem(KEY, key));

/** The state is 'key' or 'login'. The key is kept meanwhile, but not sent: of a key and a login, the key would count. */
export const way = createStore(() => (localStorage.getItem(WAY) === 'login' ? 'login' : 'key'));

way.subscribe((chosen) => localStorage.setItem(WAY, chosen));

/**
 * Takes the key that a demo server offers, once for each new one: a key typed over it stays, yet a
 * demo that was set up anew is not asked with the key of the old one.
 */
export function takeOfferedKey(offered) {
  if (!offered || offered === localStorage.getItem(OFFERED)) return;
  localStorage.setItem(OFFERED, offered);
  apiKey.setState(offered, true);
}

/** @returns {Record<string, string>} the header, or the connection parameter, that carries the key */
export function authorization() {
  const key = apiKey.getState();
  return key && way.getState() === 'key' ? { Authorization: `Bearer ${key}` } : {};
}
