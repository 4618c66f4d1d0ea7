/**
 * The public keys of a workload issuer: pinned in its settings, or fetched over HTTPS and kept.
 *
 * An unknown key id asks the issuer again, but at most once in half a minute, so that made-up ids cost the issuer and us nothing; what was fetched is kept when
 * the issuer cannot be reached, and fetched again after ten minutes of use, so that a key it took back goes.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { WorkloadSettings } from '#api/provider-settings.ts'
import type { Logger } from '#lib/logger.ts'
import type { OutgoingHttp } from '#lib/outgoing-http.ts'
import type { Ports } from '#lib/ports.ts'
import { RegistryError } from '#oci/errors.ts'

const retryMs = 30_000
const freshMs = 10 * 60_000
const keysMax = 100

/** What keys are fetched with. */
export interface IssuerKeyParts {
  readonly settings: Pick<WorkloadSettings, 'issuer' | 'jwks' | 'jwksUrl'>
  readonly http: Pick<OutgoingHttp, 'fetch'>
  readonly ports: Pick<Ports, 'clock'>
  readonly log: Logger
}

/** Finds keys of one issuer, under its settings as they were when this was made. */
export class IssuerKeys {
  readonly #parts: IssuerKeyParts
  #known: ReturnType<typeof createLocalJWKSet> | undefined
  #fetchedAt = Number.NEGATIVE_INFINITY
  #triedAt = Number.NEGATIVE_INFINITY
  #fetching: Promise<void> | undefined

  constructor(parts: IssuerKeyParts) {
    this.#parts = parts
    if (parts.settings.jwks !== '') this.#known = createLocalJWKSet(keySetOf(JSON.parse(parts.settings.jwks)))
  }

  /** For jose. Throws UNAVAILABLE when no key is known and none can be had. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#parts.settings.jwks === '') await this.#refreshIfDue()
    try {
      return await this.#require()(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || this.#parts.settings.jwks !== '' || !this.#mayTry()) throw error
      await this.#fetch()
      return await this.#require()(header, token)
    }
  }

  #require(): ReturnType<typeof createLocalJWKSet> {
    if (this.#known !== undefined) return this.#known
    throw new RegistryError('UNAVAILABLE', undefined, { message: 'the keys of the token’s issuer cannot be fetched now' })
  }

  async #refreshIfDue(): Promise<void> {
    if (this.#parts.ports.clock.monotonic() - this.#fetchedAt < freshMs) return
    if (this.#fetching === undefined && !this.#mayTry()) return
    // Who has old keys need not wait for fresh ones.
    if (this.#known === undefined) await this.#fetch()
    else void this.#fetch()
  }

  #mayTry(): boolean {
    return this.#parts.ports.clock.monotonic() - this.#triedAt >= retryMs
  }

  /** Never rejects: what cannot be fetched leaves what is known. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#fetchNow().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  async #fetchNow(): Promise<void> {
    const { settings, ports, log } = this.#parts
    this.#triedAt = ports.clock.monotonic()
    try {
      const url = settings.jwksUrl === '' ? await this.#discover() : settings.jwksUrl
      this.#known = createLocalJWKSet(keySetOf(await this.#getJson(url)))
      this.#fetchedAt = ports.clock.monotonic()
    } catch (error) {
      log.warn({ err: error, issuer: settings.issuer }, 'keys of a workload issuer could not be fetched')
    }
  }

  /** OpenID Connect Discovery 1.0 §4: the document must be about this very issuer. */
  async #discover(): Promise<string> {
    const { issuer } = this.#parts.settings
    const document = await this.#getJson(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`)
    const { issuer: said, jwks_uri: url } = (document ?? {}) as Readonly<Record<string, unknown>>
    if (said !== issuer || typeof url !== 'string') throw new Error('the discovery document is not about this issuer')
    return url
  }

  async #getJson(url: string): Promise<unknown> {
    const response = await this.#parts.http.fetch(url, { headers: { accept: 'application/json' } })
    if (response.status !== 200) throw new Error(`status ${response.status}`)
    return (await response.json()) as unknown
  }
}

/** A key set with public keys only: a symmetric key in it could be used to sign by whoever reads it. Throws for anything else. */
export function keySetOf(value: unknown): JSONWebKeySet {
  const { keys } = (value ?? {}) as { readonly keys?: unknown }
  if (!Array.isArray(keys) || keys.length > keysMax) throw new Error('this is no set of JSON web keys')
  const known = keys.filter((key) => ['RSA', 'EC', 'OKP'].includes(String((key as { readonly kty?: unknown } | null)?.kty)))
  return { keys: known as JSONWebKeySet['keys'] }
}
