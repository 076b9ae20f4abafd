/** The API key: kept in this browser's localStorage and nowhere else. */

import { createStore } from 'zustand';

const KEY = 'pictor:apiKey';
const OFFERED = 'pictor:offeredApiKey';

/** The state is the key itself, '' where there is none. */
export const apiKey = createStore(() => localStorage.getItem(KEY) ?? '');

apiKey.subscribe((key) => localStorage.setItem(KEY, key));

/**
 * Takes the key that a demo server offers, once for each new one: a key typed over it stays, yet a
 * demo that was set up anew is not asked with the key of the old one.
 */
export function takeOfferedKey(offered) {
  if (!offered || offered === localStorage.getItem(OFFERED)) return;
  localStorage.setItem(OFFERED, offered);
  apiKey.setState(offered);
}

/** @returns {Record<string, string>} the header, or the connection parameter, that carries the key */
export function authorization() {
  const key = apiKey.getState();
  return key ? { Authorization: `Bearer ${key}` } : {};
}
