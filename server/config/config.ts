/**
 * What an operator decided, parsed: the only shape of configuration that the rooms see.
 * It comes from defaults, a config.yml (registry:2's, registry:3's, or with Berth's own keys) and `REGISTRY_*` variables; see schema.ts for
 * every key, its default and its meaning, and load.ts for the order. Sizes are bytes, durations milliseconds.
 */
export interface Config {
  /** The file it was read from; undefined when Berth runs without one. */
  readonly file: string | undefined
  readonly log: LogConfig
  readonly storage: StorageConfig
  readonly database: DatabaseConfig
  readonly http: HttpConfig
  readonly auth: AuthConfig
  readonly health: HealthConfig
  readonly limits: LimitsConfig
  readonly validation: ValidationConfig
}

/** `log.*`: what is logged and in which of registry:2's formats. `fields` stand in every line. */
export interface LogConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly formatter: 'text' | 'json' | 'logstash'
  readonly fields: Readonly<Record<string, unknown>>
  readonly accessLog: boolean
}

/** `storage.*`: which blob store, what may be done with it, and when its janitors act. */
export interface StorageConfig {
  readonly driver: 'filesystem' | 'memory'
  /** Absolute. The memory driver has none. */
  readonly rootDirectory: string | undefined
  readonly deleteEnabled: boolean
  readonly readOnly: boolean
  /** Below this, new uploads are refused while pulls and deletes go on. */
  readonly minimumFreeBytes: number
  readonly uploadPurging: { readonly enabled: boolean; readonly ageMs: number; readonly intervalMs: number; readonly dryRun: boolean }
  /** Unreferenced blobs are safe for this long after the last answer that let a client rely on them. */
  readonly garbageDelayMs: number
}

/** `database.*`: where repositories, tags, manifests and accounts are kept. */
export interface DatabaseConfig {
  readonly driver: 'sqlite'
  /** Absolute path, or `:memory:`. */
  readonly file: string
}

/** `http.tls.*`. Certificate, key and authorities are absolute paths of PEM files. */
export interface TlsConfig {
  readonly certificate: string
  readonly key: string
  readonly clientCas: readonly string[]
  readonly clientAuth: 'require-and-verify-client-cert' | 'request-client-cert' | 'require-any-client-cert' | 'verify-client-cert-if-given'
  readonly minimumVersion: 'TLSv1.2' | 'TLSv1.3'
  /** OpenSSL names; undefined: Node's defaults. */
  readonly cipherSuites: readonly string[] | undefined
}

/** `http.*`: the listeners, and how URLs and clients' addresses are told. */
export interface HttpConfig {
  /** Where to listen. `path` for a unix socket. */
  readonly listen: { readonly host: string | undefined; readonly port: number } | { readonly path: string }
  /** Starts and ends with `/`. */
  readonly prefix: string
  /** Absolute URL that Locations start with; undefined: from the request. */
  readonly host: string | undefined
  readonly relativeUrls: boolean
  /** How long requests in flight may take after SIGTERM; 0: as long as they need. */
  readonly drainTimeoutMs: number
  readonly tls: TlsConfig | undefined
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly debug: { readonly host: string | undefined; readonly port: number; readonly metricsPath: string | undefined } | undefined
  /** Addresses and CIDR ranges whose X-Forwarded-* and Forwarded headers count. */
  readonly trustedProxies: readonly string[]
}

/** `auth.*`: exactly one kind. `realm` stands in the WWW-Authenticate challenge. */
export type AuthConfig =
  /** Anyone may do anything, as a registry:2 config without `auth` says. */
  | { readonly kind: 'open' }
  | { readonly kind: 'htpasswd'; readonly realm: string; readonly path: string }
  /** Accounts of the database, with the first-start administrator. */
  | { readonly kind: 'accounts'; readonly realm: string }

/** `health.*`: the checks behind /debug/health. A check counts as failed after `threshold` failures in a row. */
export interface HealthConfig {
  readonly storageDriver: { readonly enabled: boolean; readonly intervalMs: number; readonly threshold: number }
  readonly file: readonly { readonly file: string; readonly intervalMs: number }[]
  readonly http: readonly {
    readonly uri: string
    readonly headers: Readonly<Record<string, readonly string[]>>
    readonly statusCode: number
    readonly timeoutMs: number
    readonly intervalMs: number
    readonly threshold: number
  }[]
  readonly tcp: readonly { readonly addr: string; readonly timeoutMs: number; readonly intervalMs: number; readonly threshold: number }[]
}

/** `limits.*` and the page sizes of lists: how much one client, or all of them, may take. */
export interface LimitsConfig {
  readonly manifestBytes: number
  /** Bodies of manifests and blobs up to this size that are kept in memory, by digest. */
  readonly cacheBytes: number
  readonly catalogEntries: number
  /** Largest page of tags; without `n` all tags are sent. */
  readonly tagEntries: number
  readonly headerBytes: number
  /** A connection whose request headers are not complete by then is closed. */
  readonly headersTimeoutMs: number
  /** A body that sends nothing for this long is given up; what came stays resumable. */
  readonly bodyIdleTimeoutMs: number
  /** A body slower than this on average, after its first ten seconds, is given up. 0 switches the rule off. */
  readonly bodyBytesPerSecond: number
  readonly uploadsPerActor: number
}

/** `validation.*`: what a pushed manifest must fulfil beyond its form. */
export interface ValidationConfig {
  /** Whether all children of an index must be in the repository: `all`, `none`, or only those of listed platforms. */
  readonly indexPlatforms: 'all' | 'none' | readonly { readonly os: string; readonly architecture: string }[]
  /** Rules for the `urls` of layers; undefined: any. Regular expressions as sources. */
  readonly urlsAllow: readonly string[] | undefined
  readonly urlsDeny: readonly string[] | undefined
  /** Whether a manifest with a subject may come before its blobs (`cosign load` does so). */
  readonly referrersMayPrecedeBlobs: boolean
}
