import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOfBytes, mediaTypes, pushArtifact, pushImage } from '../support/registry-client.ts'
import type { Descriptor, RegistryClient } from '../support/registry-client.ts'
import { withBerth } from './with-berth.ts'

const registry = withBerth()

async function referrersOf(client: RegistryClient, repository: string, digest: string, query = '') {
  const answer = await client.send(`/v2/${repository}/referrers/${digest}${query}`)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['content-type'], mediaTypes.index)
  const { manifests } = JSON.parse(answer.body.toString()) as { manifests: Descriptor[] }
  return { manifests, filters: answer.headers['oci-filters-applied'] }
}

function byDigest(descriptors: readonly Descriptor[]) {
  return descriptors.toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
}

test('end-12a: every referrer is listed with its type, size and annotations', async () => {
  const repository = 'conformance/referrers'
  const { descriptor: subject } = await pushImage(registry(), repository, 'image')
  const annotations = { 'org.example.key': 'value' }
  const artifact = await pushArtifact(registry(), repository, {
    artifactType: 'application/vnd.example.sbom',
    content: Buffer.from('sbom'),
    subject,
    annotations,
  })
  const image = await pushImage(registry(), repository, undefined, { subject, files: { other: 'image' } })
  const { manifests } = await referrersOf(registry(), repository, subject.digest)
  const expected = [
    { ...artifact.descriptor, artifactType: 'application/vnd.example.sbom', annotations },
    { ...image.descriptor, artifactType: mediaTypes.config }, // Without artifactType, the config's media type counts.
  ]
  assert.deepEqual(byDigest(manifests), byDigest(expected))
})

test('end-12b: artifactType= filters, and the answer says so', async () => {
  const repository = 'conformance/filtered'
  const { descriptor: subject } = await pushImage(registry(), repository, 'image')
  for (const kind of ['sbom', 'signature']) {
    await pushArtifact(registry(), repository, { artifactType: `application/vnd.example.${kind}`, content: Buffer.from(kind), subject })
  }
  const { manifests, filters } = await referrersOf(registry(), repository, subject.digest, '?artifactType=application/vnd.example.sbom')
  assert.deepEqual([manifests.map(({ artifactType }) => artifactType), filters], [['application/vnd.example.sbom'], 'artifactType'])
  assert.deepEqual((await referrersOf(registry(), repository, subject.digest, '?artifactType=application/vnd.example.none')).manifests, [])
})

test('a referrer may come before its subject, and goes when it is deleted', async () => {
  const repository = 'conformance/early'
  const subject = { mediaType: mediaTypes.manifest, digest: digestOfBytes(Buffer.from('not yet')), size: 7 }
  const { descriptor } = await pushArtifact(registry(), repository, {
    artifactType: 'application/vnd.example.early',
    content: Buffer.from('early'),
    subject,
  })
  assert.deepEqual(
    (await referrersOf(registry(), repository, subject.digest)).manifests.map(({ digest }) => digest),
    [descriptor.digest],
  )
  await registry().send(`/v2/${repository}/manifests/${descriptor.digest}`, { method: 'DELETE' })
  assert.deepEqual((await referrersOf(registry(), repository, subject.digest)).manifests, [])
})

test('referrers of one repository are not told in another', async () => {
  const { descriptor: subject } = await pushImage(registry(), 'conformance/mine', 'image')
  await pushArtifact(registry(), 'conformance/mine', {
    artifactType: 'application/vnd.example.mine',
    content: Buffer.from('mine'),
    subject,
  })
  assert.deepEqual((await referrersOf(registry(), 'conformance/yours', subject.digest)).manifests, [])
})

test('a digest of the wrong form is 400', async () => {
  assert.equal((await registry().send('/v2/conformance/mine/referrers/sha256:short')).status, 400)
})
