/** The slim bar on top: examples, files, and who is signed in. */

import { DropdownMenu, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useRef } from 'react';
import { useStore } from 'zustand';
import { Account } from './Account.jsx';
import { files, filesShown } from './files.js';
import { separateFiles } from './upload.js';

export function TopBar({ examples, fetcher }) {
  const chosen = useStore(files);
  return (
    <header className="graphiql-container pictor-bar">
      <span className="pictor-brand">
        <img src="/static/graphiql/icon.svg" alt="" width="22" height="22" />
        Pictor
      </span>
      {examples.length > 0 && <Examples examples={examples} />}
      <button type="button" className="pictor-button" onClick={() => filesShown.setState((shown) => !shown)}>
        Files{chosen.length > 0 && <span className="pictor-count">{chosen.length}</span>}
      </button>
      <Account fetcher={fetcher} />
    </header>
  );
}

function Examples({ examples }) {
  const open = useOpenExample();
  const queryEditor = useGraphiQL((state) => state.queryEditor);
  const picked = useRef(false);
  /** Whoever picked an example means to run it next; whoever left the menu stays where they were. */
  const leave = (event) => {
    if (picked.current) {
      event.preventDefault();
      queryEditor?.focus();
    }
    picked.current = false;
  };
  const pickExample = (example) => {
    picked.current = true;
    open(example);
  };
  return (
    <DropdownMenu>
      <DropdownMenu.Button className="pictor-button">Examples ▾</DropdownMenu.Button>
      <DropdownMenu.Content className="pictor-menu" onCloseAutoFocus={leave}>
        {examples.map((example) => (
          <DropdownMenu.Item key={example.name} onSelect={() => pickExample(example)}>
            {example.name}
          </DropdownMenu.Item>
        ))}
      </DropdownMenu.Content>
    </DropdownMenu>
  );
}

/** Shows the tab that holds the example already, or opens a new one. */
function useOpenExample() {
  const { addTab, changeTab } = useGraphiQLActions();
  const { tabs, queryEditor, variableEditor } = useGraphiQL(
    pick('tabs', 'queryEditor', 'variableEditor'),
  );
  return ({ query, variables }) => {
    const { missing } = separateFiles(JSON.parse(variables || '{}'), 0);
    if (missing.length > 0) filesShown.setState(true);
    const index = tabs.findIndex((tab) => tab.query === query);
    if (index >= 0) {
      changeTab(index);
      return;
    }
    addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(variables);
  };
}
