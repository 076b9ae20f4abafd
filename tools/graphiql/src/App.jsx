/** Puts GraphiQL's parts together with our own. */

import { DOC_EXPLORER_PLUGIN, DocExplorerStore } from '@graphiql/plugin-doc-explorer';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { HISTORY_PLUGIN, HistoryStore } from '@graphiql/plugin-history';
import { GraphiQLProvider } from '@graphiql/react';
import { GraphiQL, GraphiQLInterface } from 'graphiql';
import { useState } from 'react';
import { createFetcher } from './fetcher.js';
import { EventCount } from './EventCount.jsx';
import { FilesBar } from './FilesBar.jsx';
import { ImageStrip } from './ImageStrip.jsx';
import { TopBar } from './TopBar.jsx';

const FIRST_TABS = 4;
const PLUGINS = [DOC_EXPLORER_PLUGIN, explorerPlugin({ showAttribution: false }), HISTORY_PLUGIN];

const WELCOME = `# Welcome to Pictor.
#
# 1. Paste your API key at the top right, or log in.
# 2. Write a query here, or tick its fields in the
#    Explorer, the second icon on the left.
# 3. Run it: Ctrl-Enter. Complete: Ctrl-Space.
#
# "@file:0" in the variables sends the first file
# that you chose under "Files", ["@files"] all.

query WhoAmI {
  viewer {
    user {
      name
    }
  }
}
`;

export function App({ config }) {
  const [fetcher] = useState(() => createFetcher(config.endpoint));
  const tabs = config.queries.slice(0, FIRST_TABS);
  return (
    <GraphiQLProvider
      fetcher={fetcher}
      plugins={PLUGINS}
      referencePlugin={DOC_EXPLORER_PLUGIN}
      defaultTabs={tabs.length > 0 ? tabs : undefined}
      defaultQuery={WELCOME}
      schemaDescription
      inputValueDeprecation
    >
      <HistoryStore>
        <DocExplorerStore>
          <TopBar examples={config.queries} fetcher={fetcher} />
          <FilesBar />
          <GraphiQLInterface defaultEditorToolsVisibility="variables" showPersistHeadersSettings={false}>
            <GraphiQL.Logo>{' '}</GraphiQL.Logo>
            <GraphiQL.Footer>
              <EventCount />
              <ImageStrip />
            </GraphiQL.Footer>
          </GraphiQLInterface>
        </DocExplorerStore>
      </HistoryStore>
    </GraphiQLProvider>
  );
}
