/**
 * One host's certificate, from the order to the row (RFC 8555 §7.4).
 *
 * The problem: between the steps this process may be killed, and authorities count orders. The way: order and key are kept before they are needed, so that
 * whoever goes on finishes the same order, and a certificate that was issued is fetched, not asked for again.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { AcmeConfig } from '#config/config.ts'
import { makeChallengeCertificate, makeKey, makeRequest } from '#lib/make-certificate.ts'
import { findAcmeAccount, findCertificate } from '#metadata/certificates.ts'
import { keyAuthorization, type AcmeAccount, type AcmeAuthorization, type AcmeClient, type AcmeOrder } from './acme-client.ts'
import { AcmeProblem } from './acme-problem.ts'
import {
  forgetAccount,
  hideProof,
  keepAccount,
  keepCertificate,
  keepOrder,
  openSealed,
  sealContexts,
  showProof,
  type AcmeParts,
} from './acme-store.ts'
import { renewalOf } from './acme-times.ts'

/** What issuing takes. */
export interface Issuance {
  readonly parts: AcmeParts
  readonly config: AcmeConfig
  readonly client: AcmeClient
  readonly signal: AbortSignal
  readonly say: (message: string) => void
}

/** Long enough for every process to have looked for challenges again (acme.ts). */
const settleMs = 1_500
const pollMs = 1_000
/** How long an authority may take for one step. */
const patienceMs = 120_000

/** Gets a certificate for the host and keeps it. Throws {@link AcmeProblem} for what the authority says, and what its connection says. */
export async function issueCertificate(issuance: Issuance, host: string): Promise<void> {
  const account = await openAccount(issuance)
  try {
    const { order, key } = await openOrder(issuance, account, host)
    await authorize(issuance, account, { order, host })
    const issued = await finish(issuance, account, { order, key, host })
    await keep(issuance, { host, key, certificate: issued })
  } catch (error) {
    if (error instanceof AcmeProblem && error.type === 'accountDoesNotExist')
      await issuance.parts.metadata.write(forgetAccount, issuance.config.directoryUrl)
    throw error
  }
}

async function openAccount({ parts, config, client, say }: Issuance): Promise<AcmeAccount> {
  const { metadata, secrets, ports } = parts
  const { directoryUrl, email, externalAccount, termsAgreed } = config
  if (!termsAgreed) throw new Error(`the terms of ${new URL(directoryUrl).host} are not agreed to: set http.tls.letsencrypt.termsagreed`)
  const context = sealContexts.account(directoryUrl)
  const row = await findAcmeAccount(metadata.reader, directoryUrl)
  const known = row === undefined ? undefined : openSealed(parts, row.privateKey, context)
  if (row !== undefined && known !== undefined) return { url: row.accountUrl, key: known }
  const key = await makeKey()
  const url = await client.openAccount({ key, email, externalAccount })
  await metadata.write(keepAccount, { directoryUrl, accountUrl: url, privateKey: secrets.seal(key, context), at: ports.clock.now() })
  say(`made the account ${url}`)
  return { url, key }
}

interface OpenOrder {
  readonly order: AcmeOrder
  /** PEM. */
  readonly key: string
}

async function openOrder({ parts, client, say }: Issuance, account: AcmeAccount, host: string): Promise<OpenOrder> {
  const { metadata, secrets, ports } = parts
  const begun = await findCertificate(metadata.reader, host)
  const kept = begun === undefined ? undefined : openSealed(parts, begun.orderKey, sealContexts.order(host))
  if (begun?.orderUrl !== null && begun?.orderUrl !== undefined && kept !== undefined) {
    const order = await client.order(account, begun.orderUrl).catch((error: unknown) => {
      if (error instanceof AcmeProblem && error.retryAfterMs === undefined) return undefined
      throw error
    })
    if (order !== undefined && order.status !== 'invalid') {
      say(`${host}: goes on with the order ${order.url}, which is ${order.status}`)
      return { order, key: kept }
    }
  }
  const key = await makeKey()
  const order = await client.newOrder(account, host)
  const orderKey = secrets.seal(key, sealContexts.order(host))
  await metadata.write(keepOrder, { host, orderUrl: order.url, orderKey, at: ports.clock.now() })
  return { order, key }
}

async function authorize(
  issuance: Issuance,
  account: AcmeAccount,
  { order, host }: { readonly order: AcmeOrder; readonly host: string },
): Promise<void> {
  if (order.status !== 'pending') return
  for (const url of order.authorizations) {
    const authorization = await issuance.client.authorization(account, url)
    if (authorization.status === 'valid') continue
    if (authorization.status !== 'pending') throw faultOf(authorization, issuance)
    await prove(issuance, account, { host, url, authorization })
  }
}

interface Proving {
  readonly host: string
  readonly url: string
  readonly authorization: AcmeAuthorization
}

async function prove(issuance: Issuance, account: AcmeAccount, { host, url, authorization }: Proving): Promise<void> {
  const { parts, config, client, signal, say } = issuance
  const { metadata, ports, secrets } = parts
  const challenge = authorization.challenges.find(({ type }) => type === config.challenge)
  if (challenge === undefined) {
    const offered = authorization.challenges.map(({ type }) => type).join(', ')
    throw new Error(
      `the ACME authority offers ${offered || 'no challenge'} for ${host}, not ${config.challenge}: see http.tls.letsencrypt.challenge`,
    )
  }
  const { token } = challenge
  const answered = keyAuthorization(token, account.key)
  const proof = secrets.seal(await proofOf(issuance, { host, answered }), sealContexts.challenge(token))
  await metadata.write(showProof, { host, kind: config.challenge, token, proof, at: ports.clock.now() })
  try {
    await ports.timers.sleep(settleMs, signal)
    await client.answer(account, challenge.url)
    const judged = await poll(
      issuance,
      () => client.authorization(account, url),
      ({ status }) => status !== 'pending' && status !== 'processing',
    )
    if (judged.status !== 'valid') throw faultOf(judged, issuance)
    say(`${host}: the authority has seen that the host is ours`)
  } finally {
    await metadata.write(hideProof, token)
  }
}

/** `answered` as RFC 8555 §8.3 has it, or the certificate of RFC 8737 with it. */
async function proofOf(
  { parts, config }: Issuance,
  { host, answered }: { readonly host: string; readonly answered: string },
): Promise<string> {
  if (config.challenge === 'http-01') return answered
  const now = parts.ports.clock.now()
  const validity = { notBefore: now - 3_600_000, notAfter: now + 86_400_000 }
  return JSON.stringify(await makeChallengeCertificate(parts.ports.random, { host, keyAuthorization: answered, ...validity }))
}

function faultOf({ challenges, status }: AcmeAuthorization, { config }: Issuance): Error {
  const fault = challenges.find(({ type, error }) => type === config.challenge && error !== undefined)?.error
  return fault ?? new Error(`the authorization is ${status}`)
}

async function finish(
  { client, parts, signal }: Pick<Issuance, 'client' | 'parts' | 'signal'>,
  account: AcmeAccount,
  { order, key, host }: OpenOrder & { readonly host: string },
): Promise<string> {
  const polled = { parts, signal }
  const isUnderWay = ({ status }: AcmeOrder) => status === 'pending' || status === 'processing'
  let current = order.status === 'pending' ? await client.order(account, order.url) : order
  current = await poll(
    polled,
    async () => (isUnderWay(current) ? await client.order(account, order.url) : current),
    (each) => !isUnderWay(each),
  )
  if (current.status === 'ready') current = await client.finalize(account, current, makeRequest(key, [host]))
  current = await poll(
    polled,
    async () => (isUnderWay(current) ? await client.order(account, order.url) : current),
    (each) => !isUnderWay(each),
  )
  if (current.status !== 'valid' || current.certificate === undefined) throw current.error ?? new Error(`the order is ${current.status}`)
  return await client.certificate(account, current.certificate)
}

/** Asks again and again, at the pace that the authority wishes, until what comes is good. */
async function poll<Answer extends { readonly retryAfterMs: number | undefined }>(
  { parts, signal }: Pick<Issuance, 'parts' | 'signal'>,
  ask: () => Promise<Answer>,
  isGood: (answer: Answer) => boolean,
): Promise<Answer> {
  const { clock, timers } = parts.ports
  const since = clock.monotonic()
  for (;;) {
    const answer = await ask()
    if (isGood(answer)) return answer
    const waitMs = Math.max(pollMs, Math.min(answer.retryAfterMs ?? pollMs, patienceMs))
    if (clock.monotonic() + waitMs - since > patienceMs) throw new Error(`the ACME authority did not decide within ${patienceMs / 1000} s`)
    await timers.sleep(waitMs, signal)
  }
}

async function keep(
  { parts, config, say }: Issuance,
  { host, key, certificate }: { readonly host: string; readonly key: string; readonly certificate: string },
): Promise<void> {
  const { metadata, ports, secrets } = parts
  const found = new X509Certificate(certificate)
  const fits = found.checkPrivateKey(createPrivateKey(key)) && found.checkHost(host) !== undefined
  if (!fits) throw new Error(`the ACME authority sent a certificate that is not the one that was asked for`)
  const at = ports.clock.now()
  const [notBefore, notAfter] = [Date.parse(found.validFrom), Date.parse(found.validTo)]
  const detail = {
    serialNumber: found.serialNumber,
    notAfter: new Date(notAfter).toISOString(),
    authority: new URL(config.directoryUrl).host,
  }
  await metadata.write(keepCertificate, {
    host,
    directoryUrl: config.directoryUrl,
    certificate,
    privateKey: secrets.seal(key, sealContexts.certificate(host)),
    notAfter,
    renewAt: renewalOf({ notBefore, notAfter }, ports.random),
    at,
    detail,
  })
  say(`${host}: a certificate until ${detail.notAfter}`)
}
