/**
 * Stands in for Prettier's Babel parser and estree printer (540 kB), which GraphiQL loads only to
 * tidy the JSON of its variables and headers: a Prettier plugin over jsonc-parser, comments kept.
 */
import { applyEdits, format, parse, printParseErrorCode } from 'jsonc-parser';

function parseText(text) {
  const errors = [];
  parse(text, errors, { allowTrailingComma: true, allowEmptyContent: true });
  if (errors.length > 0) throw new SyntaxError(printParseErrorCode(errors[0].error));
  return { text };
}

export const parsers = {
  jsonc: { parse: parseText, astFormat: 'text', locStart: () => 0, locEnd: (node) => node.text.length },
};

export const printers = {
  text: {
    print: ({ node }) =>
      applyEdits(node.text, format(node.text, undefined, { tabSize: 2, insertSpaces: true })),
  },
};
