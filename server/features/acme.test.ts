import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import pino from 'pino'
import { resealSecrets } from '#access/reseal.ts'
import { createSecretBox } from '#access/secret-box.ts'
import type { AcmeConfig } from '#config/config.ts'
import { makeAuthority, makeServerCertificate } from '#lib/make-certificate.ts'
import { systemPorts } from '#lib/ports.ts'
import { findCertificate } from '#metadata/certificates.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { listCertificates, renewCertificates } from './acme-certificates.ts'
import { renewCertificatesJob } from './acme-job.ts'
import { keepAccount, keepCertificate, sealContexts, showProof, hideProof, type AcmeParts } from './acme-store.ts'
import { openAcme } from './acme.ts'

const { clock, random } = systemPorts
const validity = { notBefore: clock.now() - 3_600_000, notAfter: clock.now() + 86_400_000 }
const who = { actor: 'root', requestId: 'test' }

/** A database that several processes share, each with parts of its own. */
async function scene() {
  await using stack = new AsyncDisposableStack()
  const metadata = stack.use(await openTestDatabase(':memory:'))
  const directory = await mkdtemp(join(tmpdir(), 'berth-acme-'))
  stack.defer(() => rm(directory, { recursive: true }))
  const secrets = createSecretBox([Buffer.alloc(32, 1)], random)
  const parts: AcmeParts = { metadata, ports: systemPorts, log: pino({ enabled: false }), secrets }
  const config: AcmeConfig = {
    directoryUrl: 'https://ca.invalid/directory',
    email: undefined,
    hosts: ['hub.example'],
    challenge: 'tls-alpn-01',
    termsAgreed: true,
    trustedCa: undefined,
    externalAccount: undefined,
  }
  const running = stack.move()
  return { metadata, directory, secrets, parts, config, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

async function certificateOf(host: string) {
  const authority = await makeAuthority(random, { commonName: 'test authority', ...validity })
  return await makeServerCertificate(
    random,
    { commonName: host, names: [host], ...validity },
    { name: 'test authority', key: authority.key },
  )
}

/** What a process that asked leaves in the database. */
async function keep({ parts, config }: Awaited<ReturnType<typeof scene>>, host = 'hub.example') {
  const { certificate, key } = await certificateOf(host)
  await parts.metadata.write(keepCertificate, {
    host,
    directoryUrl: config.directoryUrl,
    certificate,
    privateKey: parts.secrets.seal(key, sealContexts.certificate(host)),
    notAfter: validity.notAfter,
    renewAt: validity.notAfter,
    at: clock.now(),
    detail: {},
  })
  return certificate
}

function noJobs() {
  const enqueued: unknown[] = []
  const enqueue = (job: { readonly payload?: unknown }) => {
    enqueued.push(job.payload)
    return Promise.resolve({ jobId: 1, isNew: true })
  }
  return { enqueued, jobs: { enqueue }, isReadOnly: false }
}

suite('certificates by ACME', () => {
  test('each process takes up what another one got, and answers what another one was asked', async () => {
    await using stage = await scene()
    const { parts, config, metadata, secrets } = stage
    await using first = await openAcme(parts, config, noJobs())
    await using second = await openAcme({ ...parts }, config, noJobs())
    const changes: string[] = []
    first.onChange(() => changes.push('first'))
    second.onChange(() => changes.push('second'))
    assert.deepEqual([first.current(), second.current()], [[], []])
    const certificate = await keep(stage)
    for (let tries = 0; changes.length < 2 && tries < 200; tries++) await systemPorts.timers.sleep(25)
    assert.deepEqual(changes.toSorted(), ['first', 'second'])
    assert.equal(second.current()[0]?.certificate, certificate)
    const token = 'A'.repeat(43)
    const proof = { certificate: 'c', key: 'k' }
    const sealed = secrets.seal(JSON.stringify(proof), sealContexts.challenge(token))
    await metadata.write(showProof, { host: 'hub.example', kind: 'tls-alpn-01', token, proof: sealed, at: clock.now() })
    assert.deepEqual(await second.tlsChallenge('hub.example'), proof)
    assert.equal(await second.tlsChallenge('other.example'), undefined)
    assert.equal(await second.httpChallenge(token), undefined)
    await metadata.write(hideProof, token)
    await systemPorts.timers.sleep(1_050)
    assert.equal(await second.tlsChallenge('hub.example'), undefined)
  })

  test('a job is asked for only while a certificate is missing or due, and never by a read-only registry', async () => {
    await using stage = await scene()
    const waiting = noJobs()
    await using _first = await openAcme(stage.parts, stage.config, waiting)
    assert.deepEqual(waiting.enqueued, [{ hosts: ['hub.example'] }])
    const reading = { ...noJobs(), isReadOnly: true }
    await using _second = await openAcme(stage.parts, stage.config, reading)
    assert.deepEqual(reading.enqueued, [])
    await keep(stage)
    const content = noJobs()
    await using _third = await openAcme(stage.parts, stage.config, content)
    assert.deepEqual(content.enqueued, [])
    const elsewhere = noJobs()
    await using _fourth = await openAcme(stage.parts, { ...stage.config, directoryUrl: 'https://other.invalid/directory' }, elsewhere)
    assert.deepEqual(elsewhere.enqueued, [{ hosts: ['hub.example'] }])
  })

  test('a key that does not open counts as none: another certificate is asked for', async () => {
    await using stage = await scene()
    await keep(stage)
    const lost = { ...stage.parts, secrets: createSecretBox([Buffer.alloc(32, 9)], random) }
    const asked = noJobs()
    await using opened = await openAcme(lost, stage.config, asked)
    assert.deepEqual([opened.current(), asked.enqueued], [[], [{ hosts: ['hub.example'] }]])
  })

  test('keys of accounts and certificates are sealed, and sealed again under another key', async () => {
    await using stage = await scene()
    const { metadata, secrets, config } = stage
    await keep(stage)
    const privateKey = secrets.seal('key', sealContexts.account(config.directoryUrl))
    await metadata.write(keepAccount, { directoryUrl: config.directoryUrl, accountUrl: 'https://ca.invalid/1', privateKey, at: 0 })
    const row = await findCertificate(metadata.reader, 'hub.example')
    assert.equal(row?.privateKey?.includes('PRIVATE'), false)
    const next = createSecretBox([Buffer.alloc(32, 2), Buffer.alloc(32, 1)], random)
    assert.deepEqual(await resealSecrets({ metadata, secrets: next }), { resealed: 2, current: 0, changed: 0, broken: [] })
    const alone = createSecretBox([Buffer.alloc(32, 2)], random)
    await using opened = await openAcme({ ...stage.parts, secrets: alone }, config, noJobs())
    assert.match(opened.current()[0]?.key ?? '', /PRIVATE KEY/)
  })

  test('an authority that wants to be left alone is left alone for so long, and the record says why', async () => {
    await using stage = await scene()
    const authority = await makeAuthority(random, { commonName: 'busy authority', ...validity })
    const own = await makeServerCertificate(
      random,
      { commonName: 'busy', names: ['127.0.0.1'], ...validity },
      { name: 'busy authority', key: authority.key },
    )
    const problem = JSON.stringify({ type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many' })
    let requests = 0
    const server = createServer({ cert: own.certificate, key: own.key }, (_request, response) => {
      requests++
      response.writeHead(429, { 'retry-after': '7200', 'content-type': 'application/problem+json' }).end(problem)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const trustedCa = join(stage.directory, 'ca.pem')
    await writeFile(trustedCa, authority.certificate)
    const directoryUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}/directory`
    const config = { ...stage.config, directoryUrl, trustedCa }
    const lines: string[] = []
    const outcomes: string[] = []
    const job = renewCertificatesJob(stage.parts, config, (outcome) => outcomes.push(outcome))
    const signal = new AbortController().signal
    const run = { job: { id: 0, fence: 0 }, signal, cursor: undefined, save: () => Promise.resolve(), report: () => undefined }
    const report = await job.run({ ...run, log: (_level, message) => lines.push(message) }, null)
    server.close()
    assert.deepEqual([report, outcomes, requests], [{ issued: [], failed: ['hub.example'] }, ['failure'], 1])
    assert.match(lines.join(), /rateLimited: too many; the next try is at/)
    const row = await findCertificate(stage.metadata.reader, 'hub.example')
    assert.ok((row?.nextTryAt ?? 0) >= clock.now() + 7_100_000)
    const events = await stage.metadata.reader.selectFrom('events').select(['action', 'target', 'outcome', 'reason']).execute()
    assert.deepEqual(events, [
      { action: 'certificate.failed', target: 'certificate:hub.example', outcome: 'failure', reason: 'rateLimited' },
    ])
    const asked = noJobs()
    await using _opened = await openAcme(stage.parts, config, asked)
    assert.deepEqual(asked.enqueued, [])
  })

  test('terms that are not agreed to are asked nothing', async () => {
    await using stage = await scene()
    const lines: string[] = []
    const job = renewCertificatesJob(stage.parts, { ...stage.config, termsAgreed: false })
    const signal = new AbortController().signal
    const run = { job: { id: 0, fence: 0 }, signal, cursor: undefined, save: () => Promise.resolve(), report: () => undefined }
    await job.run({ ...run, log: (_level, message) => lines.push(message) }, null)
    assert.match(lines.join(), /the terms of ca\.invalid are not agreed to: set http\.tls\.letsencrypt\.termsagreed/)
  })

  test('lists tell what there is and what is missing; a renewal by hand leaves its event', async () => {
    await using stage = await scene()
    const { metadata } = stage
    await keep(stage)
    const acme = { ...stage.config, hosts: ['hub.example', 'missing.example'] }
    const tls = {
      certificate: undefined,
      key: undefined,
      acme,
      clientCas: [],
      crls: [],
      clientAuth: 'request-client-cert',
      minimumVersion: 'TLSv1.2',
      cipherSuites: undefined,
    } as const
    const found = await listCertificates({ tls, metadata, files: systemPorts.files })
    assert.deepEqual(
      found.map(({ name, source, names, notAfter }) => [name, source, names, notAfter === undefined]),
      [
        ['hub.example', 'acme', ['hub.example'], false],
        ['missing.example', 'acme', [], true],
      ],
    )
    const broken = await listCertificates({
      tls: { ...tls, acme: undefined, certificate: '/nowhere', key: '/nowhere' },
      metadata,
      files: systemPorts.files,
    })
    assert.match(broken[0]?.error ?? '', /ENOENT/)
    const first = await renewCertificates({ tls, metadata, clock }, undefined, who)
    const second = await renewCertificates({ tls, metadata, clock }, 'hub.example', who)
    assert.deepEqual([first.isNew, second], [true, { jobId: first.jobId, isNew: false }])
    await assert.rejects(renewCertificates({ tls, metadata, clock }, 'other.example', who), { code: 'RESOURCE_UNKNOWN' })
    await assert.rejects(renewCertificates({ tls: undefined, metadata, clock }, undefined, who), { code: 'UNSUPPORTED' })
  })
})
