/** A registry as a small company has it: projects, people, robots, rules, images with signatures and SBOMs, and work in the background. */
import { basicAuthorization } from '../support/http-client.ts'
import { pushArtifact, pushIndex, registryClient, type PushedManifest, type RegistryClient } from '../support/registry-client.ts'
import { until } from '../support/until.ts'
import type { Stage } from '../portal/stage.ts'
import { newer, older, pushApp, type AppImage } from './images.ts'

const projects = [
  ['shop', 'The **shop**: storefront, orders, payments.\n\nReleases are signed; tags `v*` stay.', false],
  ['platform', 'What everything else stands on: gateways, authentication, observability', false],
  ['data', 'Pipelines and the warehouse', false],
  ['research', 'Models and notebooks, kept for thirty days', false],
  ['base', 'Base images for everybody, rebuilt each night', true],
  ['charts', 'Helm charts of what we run', true],
] as const
const people = [
  ['alice', 'Alice Martin', 'maintainer', 'shop'],
  ['bela', 'Béla Kovács', 'developer', 'shop'],
  ['chen', '陈思远', 'developer', 'shop'],
  ['dora', 'Dora Nowak', 'guest', 'shop'],
  ['emil', 'Emil Sørensen', 'maintainer', 'platform'],
  ['farah', 'Farah Haddad', 'developer', 'data'],
] as const
const repositories = [
  'shop/storefront',
  'shop/payments',
  'shop/mailer',
  'platform/gateway',
  'platform/login',
  'data/loader',
  'base/node',
] as const
/** The repository that most pictures are of, and its releases. */
export const shown = 'shop/orders'
const releases = ['v2.0.0', 'v2.0.1', 'v2.1.0', 'v2.1.1', 'v2.2.0', 'v2.3.0', 'v2.3.1', 'v2.4.0'] as const
export const compared = { from: 'v2.3.1', to: 'v2.4.0' } as const

/** What pictures point at. */
export interface Furnished {
  /** The newest release for amd64. */
  readonly digest: string
  /** A job with lines. */
  readonly job: number
}

const imageOf = (name: string, version: string, architecture: 'amd64' | 'arm64' = 'amd64'): AppImage => {
  const isNew = version === compared.to || !version.startsWith('v')
  return { name, version, architecture, base: isNew ? newer : older, node: isNew ? '24.21.0' : '24.18.1' }
}

/** Pushes and makes everything through the product’s own doors. */
export async function furnish(stage: Stage): Promise<Furnished> {
  const { api, root, berth } = stage
  for (const [name, description, isPublic] of projects) await api('POST', '/projects', { name, description, isPublic })
  const password = 'correct horse battery staple'
  for (const [name, displayName, role, project] of people) {
    await api('POST', '/users', { name, displayName, email: `${name}@example.com`, password })
    await api('POST', `/projects/${project}/grants`, { subject: { kind: 'user', name }, role })
  }
  await api('PUT', '/projects/shop/quota', { bytesMax: 100_000_000, repositoriesMax: 20, tagsMax: 100 })
  const made = await api('POST', '/projects/shop/robots', { name: 'ci', description: 'Builds in CI', grants: [{ role: 'developer' }] })
  const { robot, secret } = made as { readonly robot: { readonly login: string }; readonly secret: string }
  const as = (name: string, secret: string) => registryClient(berth.url, { authorization: basicAuthorization(name, secret) })
  const ci = as(robot.login, secret)
  for (const repository of repositories) await pushSome(repository.startsWith('shop/') ? ci : root, repository)
  await pushArtifact(root, 'charts/shop', {
    artifactType: 'application/vnd.cncf.helm.config.v1+json',
    content: Buffer.from('chart'),
    tag: '2.4.0',
  })
  const digest = await pushReleases(ci)
  await pushApp(as('alice', password), shown, 'main', imageOf('orders', 'main-4f1c2d9'))
  await pushApp(as('bela', password), 'shop/payments', 'main', imageOf('payments', 'main-9a0be71'))
  const label = await api('POST', '/projects/shop/labels', { name: 'in production', color: '#0d9488' })
  await api('PUT', `/repositories/${encodeURIComponent(shown)}/manifests/${digest}/labels/${String(label['id'])}`)
  return { digest, job: await work(stage) }
}

async function pushSome(client: RegistryClient, repository: string): Promise<void> {
  const name = repository.replace(/^.*\//u, '')
  for (const version of ['v1.8.0', 'v1.9.0', 'nightly']) await pushApp(client, repository, version, imageOf(name, version))
}

/** Releases for two platforms, and what refers to the newest. */
async function pushReleases(client: RegistryClient): Promise<string> {
  let newest: PushedManifest | undefined
  for (const version of releases) {
    newest = await pushApp(client, shown, undefined, imageOf('orders', version))
    const arm64 = await pushApp(client, shown, undefined, imageOf('orders', version, 'arm64'))
    const platforms = [
      { ...newest.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm64.descriptor, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    ]
    await pushIndex(client, shown, version, platforms)
    if (version === compared.to) await pushIndex(client, shown, 'latest', platforms)
  }
  for (const commit of ['1c7e0aa', '5d20f3b', '77ab914', 'c3f9e02'])
    await pushApp(client, shown, `build-${commit}`, imageOf('orders', `main-${commit}`))
  if (newest === undefined) throw new Error('there are releases')
  const subject = newest.descriptor
  const bill = await pushArtifact(client, shown, {
    artifactType: 'application/spdx+json',
    content: Buffer.from(JSON.stringify({ spdxVersion: 'SPDX-2.3', name: 'orders', packages: Object.keys(newer.packages) })),
    subject,
  })
  await pushArtifact(client, shown, {
    artifactType: 'application/vnd.in-toto+json',
    content: Buffer.from(JSON.stringify({ predicateType: 'https://slsa.dev/provenance/v1' })),
    subject,
  })
  for (const signed of [subject, bill.descriptor])
    await pushArtifact(client, shown, {
      artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json',
      content: Buffer.from(`a signature of ${signed.digest}`),
      subject: signed,
    })
  return subject.digest
}

/** Rules, and jobs that have run; the one with most to tell. */
async function work({ api }: Stage): Promise<number> {
  await api('POST', '/projects/shop/retention-policies', {
    name: 'builds',
    description: 'Of what CI builds, the last three',
    rules: [{ name: 'builds', tags: { matches: 'build-*' }, keep: { latestPushed: 3 } }],
  })
  const jobs = async () => (await api('GET', '/jobs?limit=50'))['items'] as readonly { id: number; state: string }[]
  const areOver = async () => (await jobs()).every(({ state }) => state !== 'waiting' && state !== 'running')
  const runs = '/projects/shop/retention-policies/builds/runs'
  const { id: shownBy } = await api('POST', runs, {})
  await api('POST', '/garbage/runs', { dryRun: true })
  await api('POST', '/scrub/runs', { full: true })
  await until('the dry run is over', areOver, 120_000)
  await api('POST', runs, { dryRun: false, shownBy })
  await until('the jobs are over', areOver, 120_000)
  let most = { id: 0, lines: -1 }
  for (const { id } of await jobs()) {
    const { length: lines } = (await api('GET', `/jobs/${id}/lines?limit=100`))['items'] as readonly unknown[]
    if (lines > most.lines) most = { id, lines }
  }
  return most.id
}
