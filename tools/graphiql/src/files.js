/** The files chosen for uploads, and whether their bar is shown. */

import { createStore } from 'zustand';

/** The state is the list of File objects; the Nth is "@file:N" in the variables. */
export const files = createStore(() => []);

/** The state is true while the bar is shown. */
export const filesShown = createStore(() => false);

export function addFiles(more) {
  files.setState([...files.getState(), ...more], true);
  filesShown.setState(true);
}

export function removeFile(index) {
  files.setState(files.getState().toSpliced(index, 1), true);
}
