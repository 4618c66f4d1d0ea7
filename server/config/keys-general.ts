/** The keys outside of storage, http and auth. */
import { acts, inert, optional, type Section } from './key.ts'
import {
  anything,
  boolean,
  duration,
  fieldsOf,
  integer,
  listOf,
  longestTimerMs,
  mapOf,
  oneOf,
  pattern,
  size,
  text,
  textLike,
} from './value-types.ts'

const anyInteger = integer(Number.MIN_SAFE_INTEGER)

/** Every map that the keys of this file stand in, by dotted path, those that Berth ignores included. */
export const generalSections = {
  log: { doc: 'The log, on standard output.' },
  'log.accesslog': { doc: 'The line for each request.' },
  health: { doc: 'Checks behind /debug/health.' },
  'health.storagedriver': { doc: 'A look at the data directory at intervals.' },
  catalog: { doc: 'The list of repositories.' },
  tags: { doc: 'Lists of tags.' },
  validation: { doc: 'What is checked in manifests beyond their form.' },
  'validation.manifests': { doc: '' },
  'validation.blobs': { doc: 'What is checked of blobs when they are pulled.', own: true },
  'validation.manifests.urls': {
    doc: 'The `urls` of layers that are kept elsewhere. With neither list any is allowed (registry:2 allows none, and so refuses non-distributable layers): Berth never fetches them.',
  },
  'validation.manifests.indexes': { doc: 'Whether the manifests that an index lists must be there.' },
  limits: { doc: 'Berth’s own. How much one client, or all of them, may take.', own: true },
  redis: { doc: 'Berth needs no Redis', status: 'ignored' },
  'redis.pool': { doc: '' },
  'redis.tls': { doc: '' },
  notifications: { doc: 'notifications are not available in this version: nothing will be sent', status: 'ignored' },
  'notifications.events': { doc: '' },
  middleware: { doc: 'middleware of the Go registry cannot run here', status: 'ignored' },
  reporting: { doc: 'errors go to the log only', status: 'ignored' },
  'reporting.bugsnag': { doc: '' },
  'reporting.newrelic': { doc: '' },
  policy: { doc: 'classes of repositories are not enforced', status: 'ignored' },
  'policy.repository': { doc: '' },
  compatibility: { doc: 'schema 1 manifests are not accepted', status: 'ignored' },
  'compatibility.schema1': { doc: '' },
} as const satisfies Record<string, Section>

const logLevel = oneOf('info', 'error', 'warn', 'debug')

const logKeys = {
  'log.level': optional(logLevel, 'How much is logged.', { defaultText: '`info`' }),
  'log.formatter': acts(oneOf('text', 'json', 'logstash'), 'text', 'The form of a line.'),
  'log.fields': acts(mapOf(anything), {}, 'Fields added to every line.'),
  'log.accesslog.disabled': acts(boolean, false, 'Leave out the line for each request.'),
  'log.reportcaller': inert('ignored', boolean, 'lines do not name the place in the source that wrote them'),
  'log.hooks': inert(
    'ignored',
    listOf(fieldsOf({}, { type: text, disabled: boolean, levels: listOf(text), options: anything })),
    'no mail is sent for log lines',
    { secret: true },
  ),
  loglevel: optional(logLevel, 'Deprecated: counts where `log.level` is not given.'),
}

const interval = duration({ minimumMs: 1, maximumMs: longestTimerMs })
const headers = mapOf(listOf(text))

const healthKeys = {
  'health.storagedriver.enabled': optional(boolean, 'Whether the data directory is looked at.', {
    defaultText: '`false`; `true` without a file',
  }),
  'health.storagedriver.interval': acts(interval, 10_000, 'How often.'),
  'health.storagedriver.threshold': optional(integer(), 'Failures in a row that count as a fault.', {
    defaultText: '`0`; `3` without a file',
  }),
  'health.file': acts(listOf(fieldsOf({ file: text }, { interval, threshold: integer() })), [], 'Files whose presence means unhealthy.'),
  'health.http': acts(
    listOf(
      fieldsOf(
        { uri: textLike('an http or https URL', (value) => /^https?:\/\/[^\s]+$/i.test(value) && URL.canParse(value)) },
        {
          headers,
          statuscode: integer(100, 599),
          timeout: interval,
          interval,
          threshold: integer(),
        },
      ),
    ),
    [],
    'URLs that must answer with `statuscode` (200).',
  ),
  'health.tcp': acts(
    listOf(fieldsOf({ addr: text }, { timeout: interval, interval, threshold: integer() })),
    [],
    'Addresses (`host:port`) that must accept a connection.',
  ),
}

const validationKeys = {
  'validation.disabled': acts(boolean, false, 'Allow any `urls`, whatever the lists say.'),
  'validation.enabled': optional(boolean, 'Deprecated: `true` overrules `disabled`.'),
  'validation.manifests.urls.allow': acts(listOf(pattern), [], 'Regular expressions of which a URL must match one.'),
  'validation.manifests.urls.deny': acts(listOf(pattern), [], 'Regular expressions of which it may match none.'),
  'validation.manifests.indexes.platforms': acts(
    oneOf('all', 'none', 'list'),
    'all',
    '`all` must be there, `none` need be, or those of `platformlist`.',
  ),
  'validation.manifests.indexes.platformlist': acts(
    listOf(fieldsOf({ architecture: text, os: text }, {})),
    [],
    'Platforms whose manifests must be there.',
  ),
  'validation.blobs.verifyonread': acts(
    boolean,
    false,
    'Berth’s own. Whether a blob that is sent whole is hashed on its way to the client: the last piece is held back until the digest fits, so a damaged one breaks off instead of arriving whole, and is quarantined. Clients check digests themselves, and scrub finds damage without them; it costs a pull about 0.6 s of CPU a GiB.',
  ),
  'validation.manifests.referrersbeforeblobs': acts(
    boolean,
    false,
    'Berth’s own. Accept a manifest with a `subject` before its blobs, as `cosign load` sends it.',
  ),
}

const limitKeys = {
  'catalog.maxentries': acts(anyInteger, 1000, 'Largest page of the catalog; a larger `n` answers 400. 0 and less mean 1000.'),
  'tags.maxtags': acts(
    anyInteger,
    1000,
    'Largest page of tags; a larger `n` is cut to it, without `n` all are sent. 0 and less mean 1000.',
  ),
  'limits.manifestbytes': acts(size(1024), 4 * 1024 ** 2, 'Largest manifest.'),
  'limits.cachebytes': acts(size(), 64 * 1024 ** 2, 'Memory for manifests and small blobs, which are kept by digest.'),
  'limits.headerbytes': acts(
    size(8 * 1024),
    64 * 1024,
    'Largest head of a request. Partial pulls name up to 1,024 ranges in it, some 23 KiB.',
  ),
  'limits.headerstimeout': acts(
    duration({ minimumMs: 1000, maximumMs: longestTimerMs }),
    15_000,
    'When the head of a request is not complete by then, the connection is closed.',
  ),
  'limits.bodyidletimeout': acts(
    duration({ minimumMs: 1000, maximumMs: longestTimerMs }),
    120_000,
    'A body that sends nothing for this long is given up; what came stays resumable. Clients pause while they compress or fetch a layer.',
  ),
  'limits.bodybytespersecond': acts(
    size(),
    256,
    'A body slower than this on average, after its first ten seconds, is given up. 0 switches the rule off.',
  ),
  'limits.uploadsperactor': acts(integer(1), 10_000, 'Open uploads of one user (or of all who come without a name).'),
}

const inertKeys = {
  'redis.addr': inert('ignored', text, ''),
  'redis.addrs': inert('ignored', listOf(text), ''),
  'redis.username': inert('ignored', text, ''),
  'redis.password': inert('ignored', text, '', { secret: true }),
  'redis.sentinelusername': inert('ignored', text, ''),
  'redis.sentinelpassword': inert('ignored', text, '', { secret: true }),
  'redis.mastername': inert('ignored', text, ''),
  'redis.db': inert('ignored', integer(), ''),
  'redis.dialtimeout': inert('ignored', duration(), ''),
  'redis.readtimeout': inert('ignored', duration(), ''),
  'redis.writetimeout': inert('ignored', duration(), ''),
  'redis.poolsize': inert('ignored', integer(), ''),
  'redis.poolfifo': inert('ignored', boolean, ''),
  'redis.maxidleconns': inert('ignored', integer(), ''),
  'redis.minidleconns': inert('ignored', integer(), ''),
  'redis.maxactiveconns': inert('ignored', integer(), ''),
  'redis.connmaxidletime': inert('ignored', duration(), ''),
  'redis.connmaxlifetime': inert('ignored', duration(), ''),
  'redis.maxretries': inert('ignored', anyInteger, ''),
  'redis.pool.maxidle': inert('ignored', integer(), ''),
  'redis.pool.maxactive': inert('ignored', integer(), ''),
  'redis.pool.idletimeout': inert('ignored', duration(), ''),
  'redis.tls.enabled': inert('ignored', boolean, ''),
  'redis.tls.certificate': inert('ignored', text, ''),
  'redis.tls.key': inert('ignored', text, ''),
  'redis.tls.rootcas': inert('ignored', listOf(text), ''),
  'notifications.events.includereferences': inert('ignored', boolean, ''),
  'notifications.endpoints': inert(
    'ignored',
    listOf(
      fieldsOf(
        {},
        {
          name: text,
          disabled: boolean,
          url: text,
          headers,
          timeout: duration(),
          threshold: anyInteger,
          backoff: duration(),
          ignoredmediatypes: listOf(text),
          ignore: fieldsOf({}, { mediatypes: listOf(text), actions: listOf(text) }),
        },
      ),
    ),
    '',
  ),
  'middleware.registry': inert('ignored', listOf(fieldsOf({}, { name: text, disabled: boolean, options: anything })), ''),
  'middleware.repository': inert('ignored', listOf(fieldsOf({}, { name: text, disabled: boolean, options: anything })), ''),
  'middleware.storage': inert('ignored', listOf(fieldsOf({}, { name: text, disabled: boolean, options: anything })), ''),
  'reporting.bugsnag.apikey': inert('ignored', text, '', { secret: true }),
  'reporting.bugsnag.releasestage': inert('ignored', text, ''),
  'reporting.bugsnag.endpoint': inert('ignored', text, ''),
  'reporting.newrelic.licensekey': inert('ignored', text, '', { secret: true }),
  'reporting.newrelic.name': inert('ignored', text, ''),
  'reporting.newrelic.verbose': inert('ignored', boolean, ''),
  'policy.repository.classes': inert('ignored', listOf(text), ''),
  'compatibility.schema1.enabled': inert('ignored', boolean, ''),
  'compatibility.schema1.signingkeyfile': inert('ignored', text, ''),
  'compatibility.schema1.trustkey': inert('ignored', text, ''),
}

/** Every key outside of storage, database, http, auth and proxy. */
export const allGeneralKeys = {
  version: optional(
    textLike('0.1', (value) => value === '0.1'),
    'The version of this format. Required in a file.',
    { defaultText: '' },
  ),
  ...logKeys,
  ...healthKeys,
  ...limitKeys,
  ...validationKeys,
  ...inertKeys,
}
