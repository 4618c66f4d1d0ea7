import type { PostgresTarget } from './postgres-url.ts'

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
  readonly secrets: SecretsConfig
  readonly tokens: TokensConfig
  readonly health: HealthConfig
  readonly limits: LimitsConfig
  readonly validation: ValidationConfig
  readonly audit: AuditConfig
  /** Every key that acts, for a person: its value, secrets masked, and where that comes from. */
  readonly effective: readonly EffectiveKey[]
  readonly outgoing: OutgoingConfig
  readonly scrub: ScrubConfig
  readonly backup: BackupConfig
  readonly contents: ContentsConfig
}

/** `contents.*`: how far images are looked into, and what archives may be. */
export interface ContentsConfig {
  /** Largest number of entries of a layer that is looked into. */
  readonly entries: number
  /** Largest size of a layer when it is unpacked. */
  readonly layerBytes: number
  /** Largest file that is given by itself. */
  readonly fileBytes: number
  /** Memory for lists of the files of layers. */
  readonly cacheBytes: number
  /** Layers that are unpacked at once. */
  readonly readers: number
  /** Largest archive that is imported, as it is sent and unpacked. 0: none is. */
  readonly archiveBytes: number
}

/** A key as it is in force. */
export interface EffectiveKey {
  readonly key: string
  readonly value: string
  /** `line 12`, the name of a variable, or `default`. */
  readonly source: string
}

/** `audit.*`: what is written beside the records of the database, and how long those are kept. */
export interface AuditConfig {
  /** Where lines go; undefined: nowhere. */
  readonly output: 'standard-output' | { readonly file: string } | undefined
  /** Whether every record becomes a line there. */
  readonly hasRecords: boolean
  /** Whether pulls of manifests do. */
  readonly hasPulls: boolean
  readonly retentionMs: number
}

/** `log.*`: what is logged and in which of registry:2's formats. `fields` stand in every line. */
export interface LogConfig {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly formatter: 'text' | 'json' | 'logstash'
  readonly fields: Readonly<Record<string, unknown>>
  readonly accessLog: boolean
}

/** `storage.s3.*`. Endpoints are URLs; sizes bytes. */
export interface S3Config {
  readonly bucket: string
  readonly region: string
  readonly endpoint: string
  /** As clients reach it; undefined: the same. */
  readonly publicEndpoint: string | undefined
  readonly isPathStyle: boolean
  /** Undefined: from AWS's own sources. */
  readonly credentials:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken: string | undefined }
    | undefined
  /** Ends with `/` unless it is empty. */
  readonly prefix: string
  readonly partBytes: number
  readonly storageClass: string | undefined
  readonly encryption: { readonly keyId: string | undefined } | undefined
  readonly objectAcl: string | undefined
  readonly skipVerify: boolean
  readonly userAgent: string | undefined
}

/** `storage.azure.*`. */
export interface AzureConfig {
  readonly accountName: string
  readonly container: string
  /** Of the blob service, with the account in it; no `/` at its end. */
  readonly endpoint: string
  /** Who gives tokens for this cloud. */
  readonly authority: string
  readonly credentials:
    | { readonly kind: 'shared_key'; readonly accountKey: string }
    /** A shared access signature, without a question mark. */
    | { readonly kind: 'sas'; readonly token: string }
    | { readonly kind: 'client_secret'; readonly tenantId: string; readonly clientId: string; readonly secret: string }
    | { readonly kind: 'default_credentials'; readonly clientId: string | undefined }
  /** Ends with `/` unless it is empty. */
  readonly prefix: string
}

/** `storage.gcs.*`. */
export interface GcsConfig {
  readonly bucket: string
  readonly endpoint: string
  readonly credentials:
    | { readonly kind: 'none' }
    /** Google's own sources. */
    | { readonly kind: 'default' }
    /** An absolute path. */
    | { readonly kind: 'file'; readonly file: string }
    | { readonly kind: 'written'; readonly members: Readonly<Record<string, unknown>> }
  readonly prefix: string
  readonly partBytes: number
}

/** `storage.redirect.*` and `storage.cdn.*`: which clients fetch blobs from an object store themselves, and where. */
export interface RedirectConfig {
  readonly disabled: boolean
  readonly exceptNetworks: readonly string[]
  /** Regular expressions as sources. */
  readonly exceptUserAgents: readonly string[]
  readonly lifetimeMs: number
  readonly cdn:
    | {
        readonly url: string
        readonly kind: 'hmac' | 'cloudfront'
        readonly key: string | undefined
        /** Absolute. */
        readonly keyFile: string | undefined
        readonly keyId: string
      }
    | undefined
}

/** One of `storage.stores`: where it is, with the members of {@link StorageConfig}. */
export interface NamedStoreConfig extends Pick<StorageConfig, 'driver' | 's3' | 'azure' | 'gcs' | 'rootDirectory'> {
  readonly name: string
}

/** `storage.readthrough.*`: what is kept on this machine of what is pulled from object stores. */
export interface ReadThroughConfig {
  /** Absolute. */
  readonly directory: string
  readonly sizeBytes: number
  /** Larger blobs are not kept. */
  readonly maximumBytes: number
  /** Whether clients are redirected all the same. */
  readonly redirects: boolean
}

/** One of `storage.tiers.rules`. */
export interface TierRule {
  readonly notPulledForMs: number
  readonly minimumBytes: number
  /** Globs; undefined: whatever the project. */
  readonly projects: readonly string[] | undefined
}

/** `storage.tiers.*`: what goes from the primary store to a cold one, when, and whether it comes back. */
export interface TiersConfig {
  readonly cold: string
  readonly rules: readonly TierRule[]
  /** Undefined: never by itself. */
  readonly schedule: string | undefined
  readonly returns: boolean
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number
}

/** `storage.*`: which blob store, what may be done with it, and when its janitors act. */
export interface StorageConfig {
  /** What stands in rows. */
  readonly name: string
  readonly driver: 'filesystem' | 'memory' | 's3' | 'azure' | 'gcs'
  /** Present with that driver. */
  readonly s3?: S3Config | undefined
  readonly azure?: AzureConfig | undefined
  readonly gcs?: GcsConfig | undefined
  /** Other stores that have blobs. */
  readonly others: readonly NamedStoreConfig[]
  readonly readThrough: ReadThroughConfig | undefined
  readonly tiers: TiersConfig | undefined
  readonly redirects?: RedirectConfig | undefined
  /** Memory for parts of all uploads to an object store. */
  readonly bufferBytes?: number | undefined
  /** Absolute. Only the filesystem driver has one. */
  readonly rootDirectory: string | undefined
  readonly deleteEnabled: boolean
  readonly readOnly: boolean
  /** Below this, new uploads are refused while pulls and deletes go on. */
  readonly minimumFreeBytes: number
  readonly uploadPurging: { readonly enabled: boolean; readonly ageMs: number; readonly intervalMs: number; readonly dryRun: boolean }
  /** Unreferenced blobs are safe for this long after the last answer that let a client rely on them. */
  readonly garbageDelayMs: number
  /** How long the bytes of a deleted blob stay for pulls that are reading them. */
  readonly readersDelayMs: number
  /** How long what is deleted can be restored; 0: it goes at once. */
  readonly trashWindowMs: number
}

/** `database.*`: where repositories, tags, manifests and accounts are kept. */
export type DatabaseConfig = SqliteConfig | PostgresConfig

/** One file, one server. */
export interface SqliteConfig {
  readonly driver: 'sqlite'
  /** Absolute path, or `:memory:`. */
  readonly file: string
}

/** A server for any number of Berths. Files of the target are absolute. */
export interface PostgresConfig {
  readonly driver: 'postgres'
  readonly target: PostgresTarget
  /** Absolute; read for each connection. */
  readonly passwordFile: string | undefined
  readonly poolMaximum: number
  /** How long, and how many, requests wait while it is away. */
  readonly holdMs: number
  readonly holdRequests: number
  /** Whether pulls by tag go on from the last known value meanwhile. */
  readonly staleTags: boolean
}

/** Absolute paths of PEM files: a certificate with its intermediates, and its key. */
export interface CertificateFiles {
  readonly certificate: string
  readonly key: string
}

/** `http.tls.letsencrypt`: certificates by ACME. */
export interface AcmeConfig {
  readonly directoryUrl: string
  readonly email: string | undefined
  /** Lower case; at least one, each once. */
  readonly hosts: readonly string[]
  readonly challenge: 'tls-alpn-01' | 'http-01'
  /** False: nothing is asked for. */
  readonly termsAgreed: boolean
  /** PEM file of the authorities that the directory's own certificate is checked with; undefined: Node's. */
  readonly trustedCa: string | undefined
  readonly externalAccount: { readonly keyId: string; readonly hmacKey: string } | undefined
}

/** `http.tls.*`. Certificates, keys and authorities are absolute paths of PEM files. */
export interface TlsConfig {
  /** For clients that ask for no name or for one that nothing is known of; undefined where `acme` is there. */
  readonly certificate: string | undefined
  readonly key: string | undefined
  /** Chosen by the name that the client asks for. */
  readonly certificates?: readonly CertificateFiles[] | undefined
  readonly acme?: AcmeConfig | undefined
  /** `certificate` and `key` are made by Berth, with this authority's file; see http/tls-self-signed.ts. */
  readonly selfSigned?: { readonly authority: string; readonly authorityKey: string; readonly hosts: readonly string[] } | undefined
  /** `Strict-Transport-Security`; undefined: not sent. */
  readonly hsts?: { readonly maxAgeMs: number; readonly includeSubdomains: boolean } | undefined
  readonly clientCas: readonly string[]
  /** Absolute paths of revocation lists (PEM), read again when they change. */
  readonly crls: readonly string[]
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
  /** How long all is served after SIGTERM while `/readyz` says no. */
  readonly drainDelayMs: number
  /** The path below which nginx finds the files of the store; undefined: bodies are sent from here. */
  readonly accelPath: string | undefined
  readonly tls: TlsConfig | undefined
  /** Where plain HTTP is sent on to HTTPS; undefined: nowhere. */
  readonly redirect: { readonly host: string | undefined; readonly port: number } | undefined
  /** Whether connections from `trustedProxies` begin with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly debug: { readonly host: string | undefined; readonly port: number; readonly metricsPath: string | undefined } | undefined
  /** Addresses and CIDR ranges whose X-Forwarded-* and Forwarded headers count. */
  readonly trustedProxies: readonly string[]
  /** All private addresses are among them. */
  readonly isEveryNeighbourTrusted: boolean
  /** Whether browsers may sign in over plain HTTP from other machines. */
  readonly insecureSessions: boolean
  /** Whether pages for people are served at the prefix. */
  readonly hasPortal: boolean
}

/** `auth.*`: exactly one kind. `realm` stands in the WWW-Authenticate challenge. */
export type AuthConfig =
  /** Anyone may do anything, as a registry:2 config without `auth` says. */
  | { readonly kind: 'open' }
  | { readonly kind: 'htpasswd'; readonly realm: string; readonly path: string }
  /** Accounts of the database, with the first-start administrator. */
  | { readonly kind: 'accounts'; readonly realm: string }
  | OutsideTokenConfig

/** `auth.token`: a token server that is not Berth's. Files are absolute paths; at least one of the two is there. */
export interface OutsideTokenConfig {
  readonly kind: 'token'
  /** URL of the token server; with `autoRedirectPath` that path on whatever host the request came to. */
  readonly realm: string
  readonly autoRedirectPath: string | undefined
  readonly service: string
  readonly issuer: string
  readonly rootCertBundle: string | undefined
  readonly jwks: string | undefined
  readonly signingAlgorithms: readonly string[]
}

/** `secrets.*`: where the keys are that seal secrets in rows. With `keys` no file is read; with neither they live as long as the process. */
export interface SecretsConfig {
  /** Absolute; made when it is missing. */
  readonly keyFile: string | undefined
  /** 32 bytes each; the first seals. */
  readonly keys: readonly Uint8Array[]
}

/** `tokens.*`: Berth's own bearer tokens. */
export interface TokensConfig {
  readonly algorithm: 'ES256' | 'RS256'
  readonly lifetimeMs: number
  readonly issuer: string
  readonly service: string
}

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
  /** Whether a blob that is sent whole is hashed on its way, and cut before its end when it is damaged. */
  readonly verifyBlobsOnRead: boolean
}

/** `scrub.*`: the slow check of what is stored. */
export interface ScrubConfig {
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number
  /** Of a hundred blobs, the bytes of so many are read in a pass. */
  readonly sample: number
  /** Cron expression or `every 7d`; undefined: never by itself. */
  readonly schedule: string | undefined
}

/** `outgoing.*`: where requests of the registry itself may go. */
export interface OutgoingConfig {
  /** Addresses, CIDR ranges and names of ranges, as lib/address-guard.ts takes them. */
  readonly allowedNetworks: readonly string[]
}

/** `backup.*`: where backups go, and whether the store has a journal. */
export interface BackupConfig {
  /** Undefined: none are made by themselves. */
  readonly place: NamedStoreConfig | undefined
  /** Absolute. With neither a file nor keys backups are not encrypted. */
  readonly keyFile: string | undefined
  /** 32 bytes each; the first seals. */
  readonly keys: readonly Uint8Array[]
  readonly includesKey: boolean
  /** Cron expression or `every 7d`; undefined: never by itself. */
  readonly schedule: string | undefined
  readonly keep: { readonly last: number; readonly daily: number; readonly weekly: number; readonly monthly: number }
  readonly hasJournal: boolean
}
