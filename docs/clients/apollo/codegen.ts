// Turns the documents in src/ into types: src/gql is generated, and is never edited.
import type { CodegenConfig } from "@graphql-codegen/cli";

const { PICTOR, KEY } = process.env;

const config: CodegenConfig = {
  // Or the file `schema.graphql` of this repository, where the server has introspection switched off.
  schema: [{ [`${PICTOR}/graphql`]: { headers: { Authorization: `Bearer ${KEY}` } } }],
  documents: "src/*.ts",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        scalars: { DateTime: "string", Upload: "File" },
        enumsAsTypes: true,
        useTypeImports: true,
        importExtension: ".ts",
        // A scalar that is not named above is then an error, and not `any`.
        strictScalars: true,
      },
    },
  },
};

export default config;
