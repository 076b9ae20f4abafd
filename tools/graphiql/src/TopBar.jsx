/** The slim bar on top: examples, files, and the API key with whose it is. */

import { DropdownMenu, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { apiKey } from './api-key.js';
import { files, filesShown } from './files.js';
import { separateFiles } from './upload.js';

const WHO_AM_I = '{ viewer { user { name } apiKey { role team { name } } } }';

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
      <KeyField fetcher={fetcher} />
    </header>
  );
}

function Examples({ examples }) {
  const open = useOpenExample();
  return (
    <DropdownMenu>
      <DropdownMenu.Button className="pictor-button">Examples ▾</DropdownMenu.Button>
      <DropdownMenu.Content className="pictor-menu">
        {examples.map((example) => (
          <DropdownMenu.Item key={example.name} onSelect={() => open(example)}>
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
    const { paths } = separateFiles(JSON.parse(variables || '{}'));
    if (paths.size > 0) filesShown.setState(true);
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

function KeyField({ fetcher }) {
  const key = useStore(apiKey);
  const [draft, setDraft] = useState(key);
  const [visible, setVisible] = useState(false);
  const { introspect } = useGraphiQLActions();
  const save = () => {
    if (draft.trim() === key) return;
    apiKey.setState(draft.trim());
    introspect();
  };
  return (
    <form
      className="pictor-key"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <Owner apiKey={key} fetcher={fetcher} />
      <label htmlFor="pictor-key">API key</label>
      <input
        id="pictor-key"
        type={visible ? 'text' : 'password'}
        value={draft}
        placeholder="pic_…"
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={save}
      />
      <button type="button" className="pictor-button" aria-pressed={visible} onClick={() => setVisible(!visible)}>
        {visible ? 'Hide' : 'Show'}
      </button>
    </form>
  );
}

/** Asks the server whose key it is, so that a wrong one is seen before the first query. */
function Owner({ apiKey, fetcher }) {
  const [owner, setOwner] = useState(null);
  useEffect(() => {
    if (!apiKey) {
      setOwner({ text: 'Paste a key to begin', state: 'missing' });
      return undefined;
    }
    let current = true;
    fetcher({ query: WHO_AM_I }).then((answer) => current && setOwner(describe(answer)));
    return () => {
      current = false;
    };
  }, [apiKey, fetcher]);
  return (
    <output className="pictor-owner" data-state={owner?.state} title={owner?.text}>
      {owner?.text}
    </output>
  );
}

function describe({ data, errors }) {
  const viewer = data?.viewer;
  if (!viewer) return { text: errors?.[0]?.message ?? 'The key was not accepted', state: 'refused' };
  const { team, role } = viewer.apiKey ?? {};
  const text = [viewer.user.name, team?.name, role?.toLowerCase()].filter(Boolean).join(' · ');
  return { text, state: 'accepted' };
}
