/** Small previews of the pictures that the present tab's answer points at. */

import { useGraphiQL } from '@graphiql/react';
import { useMemo } from 'react';
import { findImages } from './images.js';

export function ImageStrip() {
  const response = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.response);
  const images = useMemo(() => parseImages(response), [response]);
  if (images.length === 0) return null;
  return (
    <ul className="pictor-strip" aria-label="Pictures of the answer">
      {images.map((image) => (
        <Preview key={image.preview} image={image} />
      ))}
    </ul>
  );
}

function parseImages(response) {
  try {
    return findImages(JSON.parse(response));
  } catch {
    return [];
  }
}

function Preview({ image }) {
  const caption = [image.score?.toFixed(2), image.title].filter(Boolean).join(' · ');
  const hide = (event) => {
    event.currentTarget.closest('li').hidden = true;
  };
  return (
    <li>
      <a href={image.link} target="_blank" rel="noreferrer" title={caption}>
        <img src={image.preview} alt={image.title} loading="lazy" decoding="async" onError={hide} />
        <span>{caption}</span>
      </a>
    </li>
  );
}
