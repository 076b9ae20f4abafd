import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multipartBody, requireChosen, separateFiles } from './upload.js';

test('references become null and their paths are kept', () => {
  const { variables, paths, missing } = separateFiles(
    { input: { files: ['@file:1', '@file:0'], title: 'say @file:0' }, again: '@file:1' },
    2,
  );
  assert.deepEqual(variables, { input: { files: [null, null], title: 'say @file:0' }, again: null });
  assert.deepEqual(Object.fromEntries(paths), {
    0: ['variables.input.files.1'],
    1: ['variables.input.files.0', 'variables.again'],
  });
  assert.deepEqual(missing, []);
});

test('"@files" in a list stands for all that are chosen', () => {
  const { variables, paths } = separateFiles({ files: ['@files'] }, 3);
  assert.deepEqual(variables, { files: [null, null, null] });
  assert.deepEqual([...paths], [0, 1, 2].map((i) => [i, [`variables.files.${i}`]]));
});

test('variables without references stay as they are', () => {
  for (const variables of [undefined, null, {}, { a: [1, null, true, { b: 'c' }] }]) {
    const separated = separateFiles(variables, 1);
    assert.deepEqual(separated.variables, variables);
    assert.equal(separated.paths.size, 0);
  }
});

test('references to files that are not chosen are named and refused', () => {
  const { paths, missing } = separateFiles({ file: '@file:1', files: '@file:0' }, 1);
  assert.deepEqual(missing, [{ reference: '@file:1', path: 'variables.file' }]);
  assert.deepEqual([...paths.keys()], [0]);
  assert.throws(() => requireChosen(missing), /"@file:1" in variables\.file:/);
  assert.throws(() => requireChosen(separateFiles({ files: ['@files'] }, 0).missing), /"@files"/);
  requireChosen([]);
});

test('the multipart body holds operations, map and files, in this order', () => {
  const { variables, paths } = separateFiles({ file: '@file:0' }, 1);
  const file = new File(['bytes'], 'x.png');
  const body = [...multipartBody({ query: 'mutation { a }', variables }, paths, [file]).entries()];
  assert.deepEqual(body.slice(0, 2), [
    ['operations', '{"query":"mutation { a }","variables":{"file":null}}'],
    ['map', '{"0":["variables.file"]}'],
  ]);
  assert.equal(body[2][0], '0');
  assert.equal(body[2][1].name, 'x.png');
  assert.equal(body.length, 3);
});
