import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPeople, type People } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'

suite('what is deleted for good', () => {
  let people: People
  let working: AsyncDisposable
  before(async () => {
    people = await openPeople({ storage: { deleteEnabled: true } })
    working = people.rooms.jobs.start()
  })
  after(async () => {
    await working[Symbol.asyncDispose]()
    await people[Symbol.asyncDispose]()
  })

  const call = (method: string, path: string, body?: object) => people.root.call(method, path, body)

  async function withPolicy(project: string): Promise<void> {
    assert.equal((await call('POST', '/projects', { name: project })).status, 201)
    const policy = { name: 'life', rules: [{ keep: { latestPushed: 1 } }] }
    assert.equal((await call('POST', `/projects/${project}/retention-policies`, policy)).status, 201)
  }

  async function push(repository: string, tag: string, content = tag): Promise<string> {
    return (await pushImage(people.root.registry, repository, tag, { files: { content } })).descriptor.digest
  }

  async function dryRun(project: string): Promise<string> {
    const started = await call('POST', `/projects/${project}/retention-policies/life/runs`, { dryRun: true })
    assert.equal(started.status, 201, JSON.stringify(started.body))
    const run = String(started.body['id'])
    await until(async () => (await call('GET', `/projects/${project}/retention-runs/${run}`)).body['state'] === 'done')
    return run
  }

  async function until(isSo: () => Promise<boolean>): Promise<void> {
    for (let left = 300; !(await isSo()); left--) {
      assert.ok(left > 0, 'it takes too long')
      await sleep(20)
    }
  }

  const rows = async () =>
    await people.rooms.registry.metadata.reader.selectFrom('retention_decisions').select(['repository', 'tag', 'digest']).execute()
  const tagsIn = async (repository: string) =>
    (await rows())
      .filter((row) => row.repository === repository)
      .map(({ tag }) => tag)
      .toSorted()

  async function deleteForGood(path: string): Promise<void> {
    assert.ok([202, 204].includes((await people.root.registry.send(path, { method: 'DELETE' })).status), path)
    const { body } = await call('GET', '/trash?limit=1')
    assert.equal((await call('DELETE', `/trash/${String(body.items?.[0]?.['id'])}`)).status, 204)
  }

  test('a tag leaves no name in what runs of retention decided, nor does a manifest its digest', async () => {
    await withPolicy('one')
    await push('one/people', 'john', 'first')
    const digest = await push('one/people', 'kept')
    await push('one/people', 'other', 'kept')
    await dryRun('one')
    await push('one/people', 'john', 'second')
    const run = await dryRun('one')
    assert.deepEqual(await tagsIn('one/people'), ['john', 'john', 'kept', 'kept', 'other', 'other'])
    await deleteForGood('/v2/one/people/manifests/john')
    assert.deepEqual(await tagsIn('one/people'), ['kept', 'kept', 'other', 'other'], 'whatever it pointed at when')
    await push('one/people', 'other', 'third')
    await deleteForGood(`/v2/one/people/manifests/${digest}`)
    assert.deepEqual(await rows(), [])
    assert.deepEqual((await call('GET', `/projects/one/retention-runs/${run}/decisions`)).body.items, [])
  })

  test('a repository leaves nothing there, whatever it was called when, and one of its name keeps its own', async () => {
    await withPolicy('two')
    await push('two/people', 'john')
    await dryRun('two')
    assert.equal((await call('POST', '/repositories/two%2Fpeople/move', { to: 'two/persons', redirect: false })).status, 200)
    await push('two/people', 'new')
    await dryRun('two')
    assert.deepEqual(await tagsIn('two/people'), ['john', 'new'])
    assert.equal((await call('DELETE', '/repositories/two%2Fpersons')).status, 204)
    const { body } = await call('GET', '/trash?kind=repository&limit=1')
    assert.equal((await call('DELETE', `/trash/${String(body.items?.[0]?.['id'])}`)).status, 204)
    await until(async () => (await rows()).length === 1)
    assert.deepEqual(await tagsIn('two/people'), ['new'])
  })

  test('a project leaves nothing in what policies of the project above it decided', async () => {
    await withPolicy('three')
    assert.equal((await call('POST', '/projects', { name: 'three/sub' })).status, 201)
    await push('three/sub/people', 'john')
    await push('three/rest', 'v1')
    await dryRun('three')
    assert.deepEqual(await tagsIn('three/sub/people'), ['john'])
    assert.equal((await call('DELETE', '/projects/three%2Fsub?force=true')).status, 204)
    const { body } = await call('GET', '/trash?kind=project&limit=1')
    assert.equal((await call('DELETE', `/trash/${String(body.items?.[0]?.['id'])}`)).status, 204)
    await until(async () => (await tagsIn('three/sub/people')).length === 0)
    assert.deepEqual(await tagsIn('three/rest'), ['v1'])
  })

  test('a tag that was pushed again leaves no name in what was decided before, and what is decided since stays', async () => {
    await withPolicy('four')
    const first = await push('four/app', 's-1', 'first')
    await push('four/app', 's-2', 'second')
    const dry = await dryRun('four')
    const started = await call('POST', '/projects/four/retention-policies/life/runs', { dryRun: false })
    assert.equal(started.status, 201, JSON.stringify(started.body))
    const run = String(started.body['id'])
    await until(async () => (await call('GET', `/projects/four/retention-runs/${run}`)).body['state'] === 'done')
    assert.equal((await people.root.registry.send('/v2/four/app/manifests/s-1')).status, 404)
    const { body } = await call('GET', '/trash?limit=1')
    // The same manifest under the same name: a run that begins now is about what is there now.
    await sleep(5)
    assert.equal(await push('four/app', 's-1', 'first'), first)
    const since = await dryRun('four')
    assert.equal((await call('DELETE', `/trash/${String(body.items?.[0]?.['id'])}`)).status, 204)
    const left = async (id: string) =>
      (await call('GET', `/projects/four/retention-runs/${id}/decisions`)).body.items?.map((item) => item['tag'])
    assert.deepEqual([await left(dry), await left(run), (await left(since))?.toSorted()], [['s-2'], ['s-2'], ['s-1', 's-2']])
    const undone = await call('POST', `/projects/four/retention-runs/${run}/undo`, {})
    assert.doesNotMatch(JSON.stringify(undone.body), /s-1/u)
  })
})
