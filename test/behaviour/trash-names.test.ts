import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { openPeople, password, type People } from '../api/people.ts'
import { pushImage } from '../support/registry-client.ts'

let people: People
before(async () => {
  people = await openPeople({ storage: { deleteEnabled: true } })
})
after(() => people[Symbol.asyncDispose]())

const run = (...args: string[]) => runVerb(args, { BERTH_SERVER: people.rooms.url, BERTH_USER: 'root', BERTH_TOKEN: password })
const call = (method: string, path: string, body?: object) => people.root.call(method, path, body)

async function withProject(name: string): Promise<void> {
  assert.equal((await call('POST', '/projects', { name })).status, 201)
}

async function push(repository: string, tag: string): Promise<string> {
  return (await pushImage(people.root.registry, repository, tag, { files: { repository, tag } })).descriptor.digest
}

async function rule(project: string, repositories: string): Promise<number> {
  const made = await call('POST', `/projects/${project}/immutable-tag-rules`, { repositories, tags: 'v*' })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  return Number(made.body['id'])
}

async function deleted(path: string): Promise<string> {
  assert.equal((await call('DELETE', path)).status, 204)
  return String((await call('GET', '/trash?limit=1')).body.items?.[0]?.['id'])
}

const removal = async (repository: string, tag: string) =>
  (await people.root.registry.send(`/v2/${repository}/manifests/${tag}`, { method: 'DELETE' })).status

suite('what comes back under another name', () => {
  test('is protected as before: rules, policies and grants of a project follow it', async () => {
    await withProject('im')
    await push('im/release', 'edge')
    await rule('im', 'im/rel*')
    const policy = { name: 'life', repositories: 'im/rel*', rules: [{ keep: { latestPushed: 1 } }] }
    assert.equal((await call('POST', '/projects/im/retention-policies', policy)).status, 201)
    const id = await deleted('/projects/im?force=true')
    await withProject('im')
    await rule('im', 'im/rel*')
    const restored = await call('POST', `/trash/${id}/restore`, { name: 'im9' })
    assert.deepEqual([restored.status, restored.body['warnings']], [200, undefined], JSON.stringify(restored.body))
    await push('im9/release', 'v1')
    assert.notEqual(await removal('im9/release', 'v1'), 202)
    assert.equal(await removal('im9/release', 'edge'), 202)
    const rules = async (project: string) =>
      ((await call('GET', `/projects/${project}/immutable-tag-rules`)).body.items ?? []).map((each) => each['repositories'])
    assert.deepEqual([await rules('im9'), await rules('im')], [['im9/rel*'], ['im/rel*']], 'the one that has the name now keeps its own')
    assert.equal((await call('GET', '/projects/im9/retention-policies/life')).body['repositories'], 'im9/rel*')
  })

  test('is told of by a warning where it leaves rules behind, in the answer and by the command', async () => {
    await withProject('outer')
    await withProject('outer/in')
    await push('outer/in/release', 'v1')
    const number = await rule('outer', 'outer/in/rel*')
    // Tags that a rule keeps cannot be deleted: it is made stricter meanwhile.
    await call('PATCH', `/projects/outer/immutable-tag-rules/${number}`, { isEnabled: false })
    const first = await deleted('/projects/outer%2Fin?force=true')
    await call('PATCH', `/projects/outer/immutable-tag-rules/${number}`, { isEnabled: true })
    const { errors } = await run('trash', 'restore', first, 'outer/in2')
    assert.match(errors.join('\n'), new RegExp(`warning: 1 repository is no longer under immutable tag rule ${number} of project outer`))

    await withProject('other')
    await push('other/release', 'v1')
    const own = await rule('other', 'other/rel*')
    await call('PATCH', `/projects/other/immutable-tag-rules/${own}`, { isEnabled: false })
    const second = await deleted('/repositories/other%2Frelease')
    await call('PATCH', `/projects/other/immutable-tag-rules/${own}`, { isEnabled: true })
    const restored = await call('POST', `/trash/${second}/restore`, { name: 'other/old' })
    assert.match(String(restored.body['warnings']), new RegExp(`no longer under immutable tag rule ${own} of project other`))
  })

  test('can be a project above one that came back before it: what is below is said to stand in the way, and how to go on', async () => {
    for (const name of ['n', 'n/c', 'n/c/d']) await withProject(name)
    await push('n/c/d/app', 'v1')
    const below = await deleted('/projects/n%2Fc%2Fd?force=true')
    const above = await deleted('/projects/n?force=true')
    assert.equal((await call('POST', `/trash/${below}/restore`, {})).status, 200)
    const refused = await call('POST', `/trash/${above}/restore`, {})
    assert.deepEqual([refused.status, String(refused.body['detail']).slice(0, 36)], [409, 'something is below this name by now.'])
    const again = await deleted('/projects/n%2Fc%2Fd?force=true')
    assert.equal((await call('POST', `/trash/${above}/restore`, {})).status, 200)
    assert.equal((await call('POST', `/trash/${again}/restore`, { name: 'n/c/d' })).status, 200)
    assert.equal((await people.root.registry.send('/v2/n/c/d/app/manifests/v1')).status, 200)
  })
})

suite('a delete by a former name', () => {
  test('says what was really deleted, and how to undo it', async () => {
    await withProject('ls')
    await withProject('ls2')
    const digest = await push('ls/rel', 'v1')
    await push('ls/rel', 'v2')
    assert.equal((await call('POST', '/repositories/ls%2Frel/move', { to: 'ls2/rel' })).status, 200)
    const verbs = [
      [['tag', 'delete', 'ls/rel:v2'], 'ls2/rel:v2 (formerly ls/rel:v2)'],
      [['manifest', 'delete', `ls/rel@${digest}`], `ls2/rel@${digest} (formerly ls/rel@${digest})`],
      [['repository', 'delete', 'ls/rel'], 'ls2/rel (formerly ls/rel)'],
    ] as const
    for (const [words, what] of verbs) {
      await assert.rejects(run(...words), /--yes/)
      const { errors } = await run(...words, '--yes')
      assert.equal(errors[0], `deleted ${what}`)
      assert.match(errors[1] ?? '', /^undo it until \S+ with: berth trash restore \d+$/)
    }
  })

  test('names it in Content-Location of the answer', async () => {
    await withProject('cl')
    const digest = await push('cl/was', 'v1')
    assert.equal((await call('POST', '/repositories/cl%2Fwas/move', { to: 'cl/is' })).status, 200)
    const placeOf = async (path: string) => {
      const answer = await people.root.registry.send(`/api/v1${path}`, { method: 'DELETE' })
      assert.equal(answer.status, 204)
      return answer.headers['content-location']
    }
    const base = '/api/v1/repositories/cl%2Fis'
    assert.equal(await placeOf('/repositories/cl%2Fwas/tags/v1'), `${base}/tags/v1`)
    assert.equal(await placeOf(`/repositories/cl%2Fis/manifests/${digest}`), undefined)
    assert.equal(await placeOf('/repositories/cl%2Fwas'), base)
  })
})
