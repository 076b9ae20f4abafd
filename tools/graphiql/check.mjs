/**
 * Tries the page in a real browser against a running server:
 *
 *     node check.mjs http://127.0.0.1:8000/graphql API_KEY OUTPUT_FOLDER
 *
 * Runs the first example, formats it, uploads a picture, opens the side panes, writes screenshots.
 * Exits 1 at a console error, a request to another origin, or a wrong answer. CHROMIUM names the
 * browser.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const [address, key, folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node check.mjs URL API_KEY OUTPUT_FOLDER');
  process.exit(2);
}
const { origin } = new URL(address);
const complaints = [];

await mkdir(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
});
try {
  const page = await openPage();
  await signIn(page);
  await runFirstExample(page);
  await formatInWorker(page);
  await upload(page);
  await openPanes(page);
} catch (error) {
  complaints.push(error.stack);
} finally {
  await browser.close();
}
for (const complaint of complaints) console.error(complaint);
console.log(complaints.length === 0 ? 'The page works.' : `${complaints.length} complaint(s).`);
process.exitCode = complaints.length === 0 ? 0 : 1;

async function openPage() {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
  page.setDefaultTimeout(20_000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      complaints.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
    }
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(origin).host) complaints.push(`left home: ${socket.url()}`);
  });
  await page.route(
    (url) => url.protocol.startsWith('http') && url.origin !== origin,
    (route) => {
      complaints.push(`left home: ${route.request().url()}`);
      return route.abort();
    },
  );
  const started = Date.now();
  await page.goto(address);
  await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  console.log(`first paint of the editor after ${Date.now() - started} ms`);
  return page;
}

async function signIn(page) {
  await page.getByLabel('API key', { exact: true }).fill(key);
  await page.getByLabel('API key', { exact: true }).press('Enter');
  await page.locator('.pictor-owner[data-state="accepted"]').waitFor();
  console.log(`signed in as ${await page.locator('.pictor-owner').textContent()}`);
}

async function runFirstExample(page) {
  const answer = await run(page);
  assert.equal(answer.errors, undefined, `the first example failed: ${JSON.stringify(answer.errors)}`);
  await waitForPreviews(page, answer);
  await page.screenshot({ path: join(folder, '1-first-example-light.png') });
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.reload();
  await page.locator('.graphiql-query-editor .view-line').first().waitFor();
  await page.locator('.pictor-owner[data-state="accepted"]').waitFor();
  await waitForPreviews(page, await run(page));
  await page.screenshot({ path: join(folder, '2-first-example-dark.png') });
}

/** The worker loads Prettier for this: it fails where the workers' own policy forbids scripts. */
async function formatInWorker(page) {
  await page.evaluate(() => {
    const editor = globalThis.__MONACO.editor.getEditors()[0];
    editor.focus();
    return editor.getAction('editor.action.formatDocument').run();
  });
}

async function upload(page) {
  await page.getByRole('button', { name: 'Examples' }).click();
  await page.screenshot({ path: join(folder, '3-examples.png') });
  await page.getByRole('menuitem', { name: /upload/i }).first().click();
  await page.locator('.pictor-files input[type=file]').setInputFiles({
    name: 'drawn.png',
    mimeType: 'image/png',
    buffer: drawPNG(96, 64),
  });
  await page.locator('.pictor-file[data-bound=true]').waitFor();
  const answer = await run(page);
  assert.equal(answer.errors, undefined, `the upload failed: ${JSON.stringify(answer.errors)}`);
  assert.equal(answer.data.uploadImage.created, true);
  await waitForPreviews(page, answer);
  await page.screenshot({ path: join(folder, '4-upload.png') });
}

async function openPanes(page) {
  for (const [index, pane] of ['Documentation Explorer', 'GraphiQL Explorer', 'History'].entries()) {
    await page.getByRole('button', { name: `Show ${pane}` }).click();
    await page.locator('.graphiql-plugin').getByText(/./).first().waitFor();
    await page.screenshot({ path: join(folder, `${5 + index}-${pane.toLowerCase().replace(' ', '-')}.png`) });
  }
}

/** Executes the present tab and waits for its answer. */
async function run(page) {
  const answered = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.getByRole('button', { name: /^Execute query/ }).click();
  await answered;
  const handle = await page.waitForFunction(() => {
    const models = globalThis.__MONACO.editor.getModels();
    const text = models.find((model) => model.uri.path.includes('response'))?.getValue();
    return text ? JSON.parse(text) : null;
  });
  return handle.jsonValue();
}

/** Where the answer names pictures, the first of them must be seen. */
async function waitForPreviews(page, answer) {
  if (!/\/images\/[^/"]+\/[^"]/.test(JSON.stringify(answer))) return;
  await page.waitForFunction(() => document.querySelector('.pictor-strip img')?.naturalWidth > 0);
}

/** A PNG of random colours: bytes that no library has seen before. */
function drawPNG(width, height) {
  const [from, to] = [randomBytes(3), randomBytes(3)];
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width * 3; x += 1) {
      const share = (x / (width * 3) + y / height) / 2;
      rows[y * (1 + width * 3) + 1 + x] = from[x % 3] * (1 - share) + to[x % 3] * share;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
