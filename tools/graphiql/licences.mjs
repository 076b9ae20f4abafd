/** The licence notices of the packages in a bundle. */

import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const HEAD = `GraphiQL as shipped with Pictor contains the packages below, each under its own licence.
`;
/** Packages that come without their licence's text, and the package of the same authors that has it. */
const SAME_LICENCE_AS = {
  '@graphiql/plugin-doc-explorer': 'graphiql',
  '@graphiql/plugin-explorer': 'graphiql',
  '@graphiql/plugin-history': 'graphiql',
  'react-compiler-runtime': 'react',
  'react-remove-scroll-bar': 'react-remove-scroll',
};
const RULE = '='.repeat(80);

/**
 * @param {string} root where node_modules lies
 * @param {string[]} inputs the bundle's source files, relative to root
 * @throws {Error} where a package has no licence text
 */
export async function licences(root, inputs) {
  const folders = new Set();
  for (const input of inputs) {
    const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
    if (folder) folders.add(folder);
  }
  const notices = [];
  for (const folder of [...folders].sort()) notices.push(await notice(root, folder));
  return [HEAD, ...notices].join(`\n${RULE}\n`);
}

async function notice(root, folder) {
  const manifest = await readFile(join(root, folder, 'package.json'), 'utf8');
  const { name, version, license } = JSON.parse(manifest);
  const lender = SAME_LICENCE_AS[name];
  const texts = await licenceTexts(lender ? join(root, 'node_modules', lender) : join(root, folder));
  if (texts.length === 0) throw new Error(`${name} ${version} has no licence text`);
  return `${name} ${version} (${license})\n\n${texts.join('\n\n')}\n`;
}

async function licenceTexts(folder) {
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|thirdpartynotices)/i.test(file));
  const texts = await Promise.all(files.sort().map((file) => readFile(join(folder, file), 'utf8')));
  return texts.map((text) => text.replaceAll('\r\n', '\n').trim());
}
