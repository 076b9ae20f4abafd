/** Who is signed in, and the two ways to be: an API key, or e-mail and password. */

import { useGraphiQLActions } from '@graphiql/react';
import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { apiKey, way } from './access.js';

const WHO_AM_I = `{ viewer {
  user { name memberships { role team { name } } }
  apiKey { role team { name } }
} }`;
const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { expiresAt } }';
const LOGOUT = 'mutation { logout }';
const WAYS = { key: 'API key', login: 'Login' };

export function Account({ fetcher }) {
  const chosen = useStore(way);
  const key = useStore(apiKey);
  const [owner, setOwner] = useState(null);
  const [asked, setAsked] = useState(0);
  const { introspect } = useGraphiQLActions();
  useEffect(() => {
    if (chosen === 'key' && !key) {
      setOwner({ text: 'Paste a key to begin', state: 'missing' });
      return undefined;
    }
    let current = true;
    fetcher({ query: WHO_AM_I }).then((answer) => current && setOwner(describe(answer, chosen)));
    return () => {
      current = false;
    };
  }, [chosen, key, asked, fetcher]);
  const changed = () => {
    setAsked((count) => count + 1);
    introspect();
  };
  const choose = (other) => {
    setOwner(null);
    way.setState(other, true);
    introspect();
  };
  return (
    <div className="pictor-account">
      <output className="pictor-owner" data-state={owner?.state} title={owner?.text}>
        {owner?.text}
      </output>
      <span className="pictor-ways" role="group" aria-label="Sign in with">
        {Object.entries(WAYS).map(([name, label]) => (
          <button key={name} type="button" aria-pressed={chosen === name} onClick={() => choose(name)}>
            {label}
          </button>
        ))}
      </span>
      {chosen === 'key' ? (
        <KeyForm stored={key} onChange={introspect} />
      ) : (
        <LoginForm fetcher={fetcher} owner={owner} onRefusal={setOwner} onChange={changed} />
      )}
    </div>
  );
}

function KeyForm({ stored, onChange }) {
  const [draft, setDraft] = useState(stored);
  const [visible, setVisible] = useState(false);
  const save = () => {
    if (draft.trim() === stored) return;
    apiKey.setState(draft.trim(), true);
    onChange();
  };
  return (
    <form
      className="pictor-form"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <input
        className="pictor-key"
        aria-label="API key"
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

/** The password goes into the request's body and is kept nowhere; what remains is the server's HttpOnly cookie. */
function LoginForm({ fetcher, owner, onRefusal, onChange }) {
  const [busy, setBusy] = useState(false);
  const ask = async (query, variables) => {
    setBusy(true);
    const { errors } = await fetcher({ query, variables });
    setBusy(false);
    if (errors) onRefusal({ text: errors[0].message, state: 'refused' });
    else onChange();
  };
  if (owner?.state === 'accepted') {
    return (
      <button type="button" className="pictor-button" disabled={busy} onClick={() => ask(LOGOUT)}>
        Log out
      </button>
    );
  }
  return (
    <form
      className="pictor-form"
      onSubmit={(event) => {
        event.preventDefault();
        const form = event.currentTarget;
        const { email, password } = Object.fromEntries(new FormData(form));
        form.elements.password.value = '';
        ask(LOGIN, { input: { email, password } });
      }}
    >
      <input name="email" type="email" aria-label="E-mail" placeholder="E-mail" autoComplete="username" required />
      <input
        name="password"
        type="password"
        aria-label="Password"
        placeholder="Password"
        autoComplete="current-password"
        required
      />
      <button type="submit" className="pictor-button" disabled={busy}>
        Log in
      </button>
    </form>
  );
}

/** What the answer to WHO_AM_I says, in a few words. */
function describe({ data, errors }, chosen) {
  const viewer = data?.viewer;
  if (viewer) {
    const places = viewer.apiKey ? [viewer.apiKey] : viewer.user.memberships;
    const [place] = places;
    const where = places.length > 1 ? [`${places.length} teams`] : [place?.team?.name, place?.role.toLowerCase()];
    return { text: [viewer.user.name, ...where].filter(Boolean).join(' · '), state: 'accepted' };
  }
  const [error] = errors ?? [];
  if (chosen === 'login' && error?.extensions?.code === 'UNAUTHENTICATED') {
    return { text: 'Not logged in', state: 'missing' };
  }
  return { text: error?.message ?? 'The key was not accepted', state: 'refused' };
}
