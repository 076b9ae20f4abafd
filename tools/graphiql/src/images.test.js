import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findImages } from './images.js';

const ORIGINAL = 'https://elsewhere.example/images/a1/original?e=1&s=x';
const SMALL = 'https://elsewhere.example/images/a1/small?e=1&s=y';

test('a derivative is the preview, the original the link, both at this origin', () => {
  for (const node of [
    { title: 'Sea', url: ORIGINAL, thumbnail: { url: SMALL } },
    { title: 'Sea', thumbnail: { url: SMALL }, url: ORIGINAL },
  ]) {
    assert.deepEqual(findImages({ data: { searchImages: { edges: [{ score: 0.5, node }] } } }), [
      { id: 'a1', preview: '/images/a1/small?e=1&s=y', link: '/images/a1/original?e=1&s=x', title: 'Sea', score: 0.5 },
    ]);
  }
});

test('an original alone serves as both, and titles fall back to the file name', () => {
  const [image] = findImages({ data: { image: { title: '', filename: 'sea.jpg', url: ORIGINAL } } });
  assert.equal(image.preview, image.link);
  assert.equal(image.title, 'sea.jpg');
});

test('other strings and other answers have no pictures', () => {
  for (const answer of [
    null,
    {},
    { errors: [{ message: ORIGINAL }] },
    { data: { a: 'https://x/images/', b: '/images/a/b', c: 'javascript:/images/a/b', d: 'http://%/images/a/b' } },
  ]) {
    assert.deepEqual(findImages(answer), []);
  }
});

test('at most 24 are shown', () => {
  const nodes = Array.from({ length: 50 }, (_, i) => ({ url: `http://h/images/${i}/original` }));
  assert.equal(findImages({ data: { images: { nodes } } }).length, 24);
});
