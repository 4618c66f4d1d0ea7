/**
 * What is said to an ACME authority (RFC 8555): signed requests, each with a fresh nonce, and answers that are taken at their word only as far as they
 * are well formed. Whatever the directory names must be of its own origin: an authority's answer shall not send this server anywhere else.
 */
import { createHmac, createPrivateKey, createPublicKey, sign, type JsonWebKey, type KeyObject } from 'node:crypto'
import { thumbprint } from '#access/signing-keys.ts'
import { OutgoingFailed, type OutgoingHttp } from '#lib/outgoing-http.ts'
import type { Ports } from '#lib/ports.ts'
import { AcmeProblem, problemOf, retryAfterMs } from './acme-problem.ts'

/** An account and its key (PEM). */
export interface AcmeAccount {
  readonly url: string
  readonly key: string
}

/** What making an account takes. */
export interface NewAcmeAccount {
  readonly key: string
  readonly email: string | undefined
  readonly externalAccount: { readonly keyId: string; readonly hmacKey: string } | undefined
}

/** RFC 8555 §7.1.3, as far as it is used. */
export interface AcmeOrder {
  readonly url: string
  readonly status: string
  readonly authorizations: readonly string[]
  readonly finalize: string
  readonly certificate: string | undefined
  readonly error: AcmeProblem | undefined
  readonly retryAfterMs: number | undefined
}

/** §7.1.4 */
export interface AcmeAuthorization {
  readonly status: string
  readonly challenges: readonly {
    readonly type: string
    readonly url: string
    readonly token: string
    readonly error: AcmeProblem | undefined
  }[]
  readonly retryAfterMs: number | undefined
}

/** What a client is made from. */
export interface AcmeClientParts {
  readonly outgoing: OutgoingHttp
  readonly ports: Pick<Ports, 'clock'>
  readonly directoryUrl: string
  readonly signal: AbortSignal
}

interface AcmeDirectory {
  readonly newNonce: string
  readonly newAccount: string
  readonly newOrder: string
}

interface Reply {
  readonly body: Readonly<Record<string, unknown>>
  readonly text: string
  readonly location: string | undefined
  readonly retryAfterMs: number | undefined
}

/** §6.5: servers forget nonces; a request is repeated with the one that came with the refusal. */
const nonceTriesMax = 8

/** One conversation with one authority. */
export class AcmeClient {
  readonly #parts: AcmeClientParts
  readonly #nonces: string[] = []
  #directory: Promise<AcmeDirectory> | undefined

  constructor(parts: AcmeClientParts) {
    this.#parts = parts
  }

  /** Makes an account, or finds the one that this key has already; gives its URL. */
  async openAccount({ key, email, externalAccount }: NewAcmeAccount): Promise<string> {
    const { newAccount } = await this.#open()
    const payload = {
      termsOfServiceAgreed: true,
      ...(email === undefined ? {} : { contact: [`mailto:${email}`] }),
      ...(externalAccount === undefined ? {} : { externalAccountBinding: bind(externalAccount, key, newAccount) }),
    }
    const { location } = await this.#post(newAccount, payload, { key })
    return this.#own(location)
  }

  async newOrder(account: AcmeAccount, host: string): Promise<AcmeOrder> {
    const { newOrder } = await this.#open()
    const reply = await this.#post(newOrder, { identifiers: [{ type: 'dns', value: host }] }, account)
    return this.#orderOf(this.#own(reply.location), reply)
  }

  async order(account: AcmeAccount, url: string): Promise<AcmeOrder> {
    return this.#orderOf(url, await this.#post(url, undefined, account))
  }

  async authorization(account: AcmeAccount, url: string): Promise<AcmeAuthorization> {
    const { body, retryAfterMs } = await this.#post(url, undefined, account)
    const challenges = listOf(body['challenges']).map((each) => {
      const { type, url: at, token, error } = recordOf(each)
      // §8.3: such a token ends up in a path.
      const isToken = typeof token === 'string' && /^[A-Za-z0-9_-]{22,256}$/.test(token)
      return {
        type: String(type),
        url: String(at),
        token: isToken ? token : '',
        error: error === undefined ? undefined : problemOf(error, 0),
      }
    })
    return { status: String(body['status']), challenges: challenges.filter(({ token }) => token !== ''), retryAfterMs }
  }

  /** Asks the authority to look now. */
  async answer(account: AcmeAccount, challengeUrl: string): Promise<void> {
    await this.#post(this.#own(challengeUrl), {}, account)
  }

  /** `request` is the DER of a request for the certificate. */
  async finalize(account: AcmeAccount, order: AcmeOrder, request: Buffer): Promise<AcmeOrder> {
    const reply = await this.#post(this.#own(order.finalize), { csr: request.toString('base64url') }, account)
    return this.#orderOf(order.url, reply)
  }

  /** The certificate with its intermediates: PEM. */
  async certificate(account: AcmeAccount, url: string): Promise<string> {
    return (await this.#post(this.#own(url), undefined, account, 'application/pem-certificate-chain')).text
  }

  #orderOf(url: string, { body, retryAfterMs }: Reply): AcmeOrder {
    const { status, authorizations, finalize, certificate, error } = body
    return {
      url,
      status: String(status),
      authorizations: listOf(authorizations).map((each) => this.#own(String(each))),
      finalize: String(finalize),
      certificate: typeof certificate === 'string' ? certificate : undefined,
      error: error === undefined ? undefined : problemOf(error, 0),
      retryAfterMs,
    }
  }

  #open(): Promise<AcmeDirectory> {
    return (this.#directory ??= this.#readDirectory())
  }

  async #readDirectory(): Promise<AcmeDirectory> {
    const { outgoing, directoryUrl, signal } = this.#parts
    const answer = await outgoing.fetch(directoryUrl, { redirect: 'manual', signal })
    const reply = await this.#read(answer)
    const urlOf = (name: string) => this.#own(String(reply.body[name]))
    return { newNonce: urlOf('newNonce'), newAccount: urlOf('newAccount'), newOrder: urlOf('newOrder') }
  }

  /** A URL that the authority named, when it is one of its own. */
  #own(url: string | undefined): string {
    const { origin, host } = new URL(this.#parts.directoryUrl)
    if (url !== undefined && URL.canParse(url) && new URL(url).origin === origin) return url
    throw new OutgoingFailed(`${host} answers with a URL that is not one of its own`)
  }

  async #nonce(): Promise<string> {
    const kept = this.#nonces.pop()
    if (kept !== undefined) return kept
    const { newNonce } = await this.#open()
    const answer = await this.#parts.outgoing.fetch(newNonce, { method: 'HEAD', redirect: 'manual', signal: this.#parts.signal })
    const nonce = answer.headers.get('replay-nonce')
    if (nonce === null) throw new OutgoingFailed(`${new URL(newNonce).host} gives no nonce`)
    return nonce
  }

  /** `payload` undefined: POST-as-GET (§6.3). Without a URL the signer shows its key (§6.2). */
  async #post(
    url: string,
    payload: object | undefined,
    signer: { readonly key: string; readonly url?: string },
    accept = 'application/json',
  ): Promise<Reply> {
    const key = createPrivateKey(signer.key)
    const identity = signer.url === undefined ? { jwk: publicJwk(key) } : { kid: signer.url }
    for (let tries = 1; ; tries++) {
      const header = { alg: 'ES256', ...identity, nonce: await this.#nonce(), url }
      const answer = await this.#parts.outgoing.fetch(this.#own(url), {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/jose+json', accept },
        body: JSON.stringify(signed(header, payload === undefined ? '' : JSON.stringify(payload), (data) => signEs256(data, key))),
        signal: this.#parts.signal,
      })
      const nonce = answer.headers.get('replay-nonce')
      if (nonce !== null && this.#nonces.length < nonceTriesMax) this.#nonces.push(nonce)
      try {
        return await this.#read(answer)
      } catch (error) {
        if (!(error instanceof AcmeProblem) || error.type !== 'badNonce' || tries >= nonceTriesMax) throw error
      }
    }
  }

  async #read(answer: Response): Promise<Reply> {
    const text = await answer.text()
    const wait = retryAfterMs(answer.headers.get('retry-after'), this.#parts.ports.clock.now())
    if (!answer.ok) throw problemOf(parse(text), answer.status, wait)
    return { body: recordOf(parse(text)), text, location: answer.headers.get('location') ?? undefined, retryAfterMs: wait }
  }
}

/** §8.1: what a challenge is answered with. */
export function keyAuthorization(token: string, accountKey: string): string {
  return `${token}.${thumbprint(publicJwk(createPrivateKey(accountKey)))}`
}

function publicJwk(key: KeyObject): JsonWebKey {
  return createPublicKey(key).export({ format: 'jwk' })
}

interface FlattenedJws {
  readonly protected: string
  readonly payload: string
  readonly signature: string
}

/** RFC 7515 §7.2.2 */
function signed(header: object, payload: string, signer: (data: Buffer) => Buffer): FlattenedJws {
  const head = Buffer.from(JSON.stringify(header)).toString('base64url')
  const body = Buffer.from(payload).toString('base64url')
  return { protected: head, payload: body, signature: signer(Buffer.from(`${head}.${body}`)).toString('base64url') }
}

function signEs256(data: Buffer, key: KeyObject): Buffer {
  return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' })
}

/** §7.3.4: the account's key, signed with the one that the authority gave to its customer. */
function bind({ keyId, hmacKey }: { readonly keyId: string; readonly hmacKey: string }, accountKey: string, url: string): FlattenedJws {
  const jwk = JSON.stringify(publicJwk(createPrivateKey(accountKey)))
  const secret = Buffer.from(hmacKey, 'base64url')
  return signed({ alg: 'HS256', kid: keyId, url }, jwk, (data) => createHmac('sha256', secret).update(data).digest())
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
