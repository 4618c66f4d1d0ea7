/** The keys of `database`, which are Berth's own. */
import { acts, optional, type Section } from './key.ts'
import { boolean, duration, integer, longestTimerMs, oneOf, text } from './value-types.ts'

/** The maps that the keys of this file stand in. */
export const databaseSections = {
  database: { doc: 'Where repositories, tags, manifests, links and uploads are kept.', own: true },
  'database.pool': { doc: 'Connections to PostgreSQL.' },
  'database.hold': { doc: 'What happens while PostgreSQL is away: a failover takes 2 to 36 seconds, and few clients try again.' },
} as const satisfies Record<string, Section>

const secondMs = 1000

/** Every key of `database`. */
export const allDatabaseKeys = {
  'database.driver': acts(
    oneOf('sqlite', 'postgres'),
    'sqlite',
    'The database: `sqlite`, a file that one server works on, or `postgres`, for any number of servers.',
    { defaultText: '`sqlite`; `postgres` with `database.url`' },
  ),
  'database.file': optional(text, 'The database file of SQLite. Relative to the working directory.', {
    defaultText: '`<rootdirectory>/berth.db`; `:memory:` with `storage.inmemory`',
  }),
  'database.url': optional(
    text,
    'Where PostgreSQL (15 or later) is: `postgres://user@host:5432/database`. Several hosts are tried in their order (`host1,host2`), and the one that writes is taken. ' +
      'Parameters as libpq has them: `sslmode` (`disable` to `verify-full`), `sslrootcert`, `sslcert`, `sslkey`, `target_session_attrs` (`read-write` or `any`), `connect_timeout`, `application_name`.',
    { secret: true },
  ),
  'database.passwordfile': optional(
    text,
    'File with the password of `database.url`, read for each connection, so that it can be changed while Berth runs. Relative to the working directory.',
  ),
  'database.pool.max': acts(integer(2, 1000), 10, 'How many connections to PostgreSQL one process opens.'),
  'database.hold.time': acts(
    duration({ maximumMs: longestTimerMs }),
    40 * secondMs,
    'How long requests that need PostgreSQL wait while it is away, before they answer 503. Keep the time-outs of proxies in front of Berth above it.',
  ),
  'database.hold.requests': acts(
    integer(0, 1_000_000),
    1000,
    'How many reads and writes wait at once, those of work in the background too (some ten); those beyond answer 503 without waiting.',
  ),
  'database.staletags': acts(
    boolean,
    false,
    'Whether pulls by tag go on from the last known value while PostgreSQL is away, with a `Warning: 110` header. Pulls by digest of what this process knows always go on.',
  ),
}
