/**
 * Builds GraphiQL into app/web/static/graphiql: scripts, three workers, styles, fonts, page, licences.
 * The folder is emptied first. Same sources and package-lock.json, same bytes.
 */
import { build } from 'esbuild';
import { copyFile, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licences } from './licences.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, '../../app/web/static/graphiql');
const LIMIT_BYTES = 7_500_000;
const ENTRIES = {
  main: 'src/main.jsx',
  'editor.worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
  'json.worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
  'graphql.worker': 'monaco-graphql/esm/graphql.worker.js',
};

/** Lighter modules in the place of some that the packages import. */
const replacements = {
  name: 'replacements',
  setup(builder) {
    const replace = (filter, file) =>
      builder.onResolve({ filter }, () => ({ path: join(HERE, 'src/replaced', file) }));
    replace(/^monaco-editor\/esm\/vs\/editor\/edcore\.main\.js$/, 'edcore.main.js');
    replace(/^prettier\/(parser-babel|plugins\/estree)$/, 'prettier-json.js');
    // The same parser under its older name, which would come a second time.
    builder.onResolve({ filter: /^prettier\/parser-graphql$/ }, ({ resolveDir }) =>
      builder.resolve('prettier/plugins/graphql', { kind: 'dynamic-import', resolveDir }),
    );
  },
};

const result = await build({
  absWorkingDir: HERE,
  entryPoints: ENTRIES,
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: 'esm',
  target: ['chrome120', 'firefox121', 'safari17'],
  jsx: 'automatic',
  minify: true,
  legalComments: 'none',
  charset: 'utf8',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.ttf': 'file', '.woff2': 'file' },
  plugins: [replacements],
  metafile: true,
  write: false,
});

// A dynamic import of which nothing was left in the end still has its chunk.
const imported = new Set(
  Object.values(result.metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => join(HERE, path))),
);
const entries = new Set(Object.keys(ENTRIES).map((name) => join(OUT, `${name}.js`)));

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
for (const { path, contents } of result.outputFiles) {
  // Every style is in main.css already; those beside the chunks of dynamic imports are copies.
  if (path.endsWith('.css') && !path.endsWith('main.css')) continue;
  if (path.endsWith('.js') && !imported.has(path) && !entries.has(path)) continue;
  await writeFile(path, contents);
}
for (const name of ['index.html', 'icon.svg']) await copyFile(join(HERE, 'src', name), join(OUT, name));
await writeFile(join(OUT, 'LICENSES.txt'), await licences(HERE, Object.keys(result.metafile.inputs)));

let total = 0;
for (const name of (await readdir(OUT)).sort()) {
  const { size } = await stat(join(OUT, name));
  total += size;
  console.log(`${String(size).padStart(9)}  ${name}`);
}
console.log(`${String(total).padStart(9)}  in all`);
if (total > LIMIT_BYTES) throw new Error(`the limit is ${LIMIT_BYTES} bytes`);

const page = await readFile(join(OUT, 'index.html'), 'utf8');
if (!page.includes('{"endpoint": "/graphql"}')) throw new Error('index.html lost its placeholder');
