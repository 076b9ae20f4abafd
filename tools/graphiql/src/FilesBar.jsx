/** The files for uploads: choose, drop, see which variable takes each. */

import { UnStyledButton, parseJSONC, useVariablesEditorState } from '@graphiql/react';
import { useEffect, useMemo, useState } from 'react';
import { useStore } from 'zustand';
import { addFiles, files, filesShown, removeFile } from './files.js';
import { separateFiles } from './upload.js';

export function FilesBar() {
  const chosen = useStore(files);
  const shown = useStore(filesShown);
  const dragging = useFileDrop();
  const { paths, missing } = useReferences(chosen.length);
  return (
    <>
      {dragging && <div className="graphiql-container pictor-drop">Drop pictures to use them in the variables</div>}
      {shown && (
        <section className="graphiql-container pictor-bar pictor-files" aria-label="Files for uploads">
          <label className="pictor-button pictor-choose">
            Choose files …
            <input
              type="file"
              multiple
              onChange={(event) => {
                addFiles(event.target.files);
                event.target.value = '';
              }}
            />
          </label>
          {chosen.length === 0 && (
            <span className="pictor-hint">
              or drop them anywhere. In the variables, <code>&quot;@file:0&quot;</code> is the first one and{' '}
              <code>[&quot;@files&quot;]</code> the list of all.
            </span>
          )}
          {chosen.map((file, index) => (
            <FileChip key={index} file={file} index={index} paths={paths.get(index)} />
          ))}
          {missing.map(({ reference, path }) => (
            <span key={path} className="pictor-missing" role="status">
              No file yet for <code>&quot;{reference}&quot;</code> in {path}
            </span>
          ))}
        </section>
      )}
    </>
  );
}

function FileChip({ file, index, paths }) {
  const address = useObjectURL(file);
  return (
    <span className="pictor-file" data-bound={Boolean(paths)}>
      {address && <img src={address} alt="" onError={(event) => (event.currentTarget.hidden = true)} />}
      <span>
        <span className="pictor-file-name" title={file.name}>
          {file.name} <small>{formatSize(file.size)}</small>
        </span>
        <code>
          &quot;@file:{index}&quot; {paths ? `→ ${paths.join(', ')}` : 'is in no variable yet'}
        </code>
      </span>
      <UnStyledButton type="button" aria-label={`Remove ${file.name}`} onClick={() => removeFile(index)}>
        ×
      </UnStyledButton>
    </span>
  );
}

/** What the variables of the present tab say of files; nothing while they are not valid JSON. */
function useReferences(count) {
  const [text] = useVariablesEditorState();
  return useMemo(() => {
    try {
      return separateFiles(parseJSONC(text ?? ''), count);
    } catch {
      return { paths: new Map(), missing: [] };
    }
  }, [text, count]);
}

/** Takes files dropped anywhere on the page, before an editor sees them. */
function useFileDrop() {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
    const over = (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      setDragging(true);
    };
    const leave = (event) => {
      if (!event.relatedTarget) setDragging(false);
    };
    const drop = (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      setDragging(false);
      addFiles(event.dataTransfer.files);
    };
    const listeners = { dragover: over, dragleave: leave, drop };
    for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener, true);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) window.removeEventListener(name, listener, true);
    };
  }, []);
  return dragging;
}

/** @returns {string | null} an address for a picture's bytes; null for other files */
function useObjectURL(file) {
  const [address, setAddress] = useState(null);
  useEffect(() => {
    if (!file.type.startsWith('image/')) return undefined;
    const made = URL.createObjectURL(file);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return address;
}

function formatSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
