/** Under the answer of a subscription: whether it goes on, and how many events came. */

import { useGraphiQL } from '@graphiql/react';
import { useStore } from 'zustand';
import { events } from './events.js';

export function EventCount() {
  const state = useStore(events);
  const isSubscription = useGraphiQL(({ operations, operationName }) =>
    operations?.some(
      ({ operation, name }) =>
        operation === 'subscription' && (operations.length === 1 || name?.value === operationName),
    ),
  );
  if (!state || !isSubscription) return null;
  const { live, count, last } = state;
  const times = `${count} ${count === 1 ? 'event' : 'events'}`;
  return (
    <output className="pictor-events" data-live={live}>
      {live ? 'Live' : 'Ended'} · {count === 0 && live ? 'waiting for the first event' : times}
      {last && ` · the last at ${last.toLocaleTimeString('en-GB')}`}
    </output>
  );
}
