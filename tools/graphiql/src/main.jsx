/** The page: GraphiQL between Pictor's bar on top and the pictures of the answer below. */

import './workers.js';
import 'monaco-graphql/esm/monaco-editor.js';
import './styles.js';
import { createRoot } from 'react-dom/client';
import { takeOfferedKey } from './access.js';
import { readConfig } from './config.js';
import { App } from './App.jsx';

const config = readConfig();
takeOfferedKey(config.apiKey);
createRoot(document.getElementById('root')).render(<App config={config} />);
