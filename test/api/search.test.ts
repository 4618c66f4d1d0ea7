import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runVerb } from '../../cli/test-verb.ts'
import { pushImage, type PushedImage } from '../support/registry-client.ts'
import { openPeople, password, type People, type Person } from './people.ts'
import { hostileTexts } from './repositories.test.ts'

interface Found {
  readonly kind: string
  readonly project?: string
  readonly repository?: string
  readonly tag?: string
  readonly digest?: string
  readonly content?: string
  readonly label?: string
  readonly match: string
}

suite('search', () => {
  let people: People
  let root: Person
  let reader: Person
  let outsider: Person
  let image: PushedImage
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'open', 'other', 'team-tools'])
      assert.equal((await root.call('POST', '/projects', { name, isPublic: name === 'open' })).status, 201)
    reader = await people.add('reader')
    outsider = await people.add('outsider')
    await people.grant(reader, 'guest', 'team')
    await people.grant(outsider, 'guest', 'other')
    image = await pushImage(root.registry, 'team/app', 'v1.2')
    for (const name of ['team/my-app', 'team/app-store', 'other/app', 'open/tool']) await pushImage(root.registry, name, 'v1.3')
    assert.equal((await root.call('POST', '/labels', { name: 'approved' })).status, 201)
    assert.equal((await root.call('POST', '/projects/team/labels', { name: '100%_app' })).status, 201)
  })
  after(() => people[Symbol.asyncDispose]())

  async function found(person: Person, q: string, more = ''): Promise<readonly Found[]> {
    const reply = await person.call('GET', `/search?q=${encodeURIComponent(q)}${more}`)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    assert.equal(reply.body['isComplete'], true)
    return reply.body.items as unknown as readonly Found[]
  }
  const asText = ({ kind, project, repository, tag, label }: Found) =>
    `${kind} ${label ?? repository ?? project}${tag === undefined ? '' : `:${tag}`}`

  test('a part of a name finds projects, repositories and labels, what fits best first', async () => {
    assert.deepEqual((await found(root, 'app')).map(asText), [
      'repository team/app',
      'repository other/app',
      'repository team/app-store',
      'repository team/my-app',
      'label approved',
      'label 100%_app',
    ])
    assert.deepEqual((await found(root, 'TEAM')).map(asText).slice(0, 2), ['project team', 'project team-tools'])
    const [exact] = await found(root, 'team', '&kinds=project')
    assert.deepEqual(exact, { kind: 'project', project: 'team', match: 'exact' })
    assert.deepEqual((await found(root, '100%_')).map(asText), ['label 100%_app'])
  })

  test('everyone finds what they may see, and nothing else', async () => {
    const repositories = async (person: Person) => (await found(person, 'app', '&kinds=repository')).map(({ repository }) => repository)
    assert.deepEqual(await repositories(reader), ['team/app', 'team/app-store', 'team/my-app'])
    assert.deepEqual(await repositories(outsider), ['other/app'])
    assert.deepEqual(await repositories(people.stranger), [])
    assert.deepEqual((await found(people.stranger, 'tool')).map(asText), ['repository open/tool'])
    assert.deepEqual((await found(outsider, 'v1')).map(asText), ['tag open/tool:v1.3', 'tag other/app:v1.3'])
    assert.deepEqual((await found(people.stranger, 'v1')).map(asText), ['tag open/tool:v1.3'])
    assert.deepEqual((await found(outsider, 'app', '&kinds=label')).map(asText), ['label approved'])
    assert.deepEqual(await found(people.stranger, 'app', '&kinds=label'), [])
    assert.deepEqual((await found(outsider, 'team')).map(asText), [], 'a project that one may not see is not there')
    assert.deepEqual(await found(outsider, image.descriptor.digest), [])
  })

  test('a tag is found by its beginning, in one repository by name:tag', async () => {
    const [tag] = await found(reader, 'v1.2')
    const { digest } = image.descriptor
    assert.deepEqual(tag, { kind: 'tag', project: 'team', repository: 'team/app', tag: 'v1.2', digest, match: 'exact' })
    assert.deepEqual((await found(reader, 'my-app:')).map(asText), ['repository team/my-app', 'tag team/my-app:v1.3'])
    assert.deepEqual((await found(reader, 'app:v1.2')).map(asText), ['tag team/app:v1.2'])
    assert.deepEqual(await found(reader, 'V1.2'), [], 'tags are as they are written')
  })

  test('a digest is found from six digits on, of manifests and of blobs', async () => {
    const { digest } = image.descriptor
    const hex = digest.slice('sha256:'.length)
    const thing = { kind: 'digest', project: 'team', repository: 'team/app', digest, content: 'manifest' }
    const only = '&kinds=digest'
    for (const q of [hex.slice(0, 7), digest.slice(0, 15), hex.slice(0, 33).toUpperCase(), `team/app@${digest.slice(0, 20)}`])
      assert.deepEqual(await found(reader, q, only), [{ ...thing, match: 'beginning' }])
    assert.deepEqual(await found(reader, digest), [{ ...thing, match: 'exact' }])
    assert.deepEqual(await found(reader, hex.slice(0, 5), only), [])
    assert.deepEqual(await found(reader, `my-app@${digest}`), [])
    const layer =
      (JSON.parse(image.bytes.toString()) as { readonly layers: readonly { readonly digest: string }[] }).layers[0]?.digest ?? ''
    const blobs = await found(reader, layer)
    assert.deepEqual(
      blobs.every(({ content, digest: blob }) => content === 'blob' && blob === layer),
      true,
    )
    assert.ok(blobs.some(({ repository }) => repository === 'team/app'))
  })

  test('what people paste is found with the name of this server before it', async () => {
    const { host } = new URL(people.rooms.url)
    assert.deepEqual((await found(reader, `${host}/team/app:v1.2`)).map(asText), ['tag team/app:v1.2'])
    assert.deepEqual((await found(reader, `http://${host}/team/my-app`)).map(asText), ['repository team/my-app'])
  })

  test('limit and kinds narrow the answer, which says when there is more', async () => {
    const reply = await root.call('GET', '/search?q=app&limit=1&kinds=repository,label')
    assert.deepEqual(
      [(reply.body.items as unknown as readonly Found[]).map(asText), reply.body['isComplete']],
      [['repository team/app', 'label approved'], false],
    )
    for (const wrong of [
      '',
      'q=',
      `q=${'x'.repeat(513)}`,
      'q=a%00b',
      'q=a&limit=0',
      'q=a&limit=51',
      'q=a&kinds=user',
      'q=a&kinds=',
      'q=a&q=b',
      'q=a&page=2',
    ])
      assert.equal((await root.call('GET', `/search?${wrong}`)).status, 400, wrong)
  })

  test('whatever is looked for is data', async () => {
    for (const text of hostileTexts) {
      const reply = await root.call('GET', `/search?q=${encodeURIComponent(text)}`)
      assert.equal(reply.status, 200, text)
      const items = reply.body.items as unknown as readonly Found[]
      for (const { kind, label = '', repository = '' } of items)
        assert.ok(kind === 'label' ? label.includes(text) : repository.includes(text), text)
    }
  })

  test('what is deleted is found no more, and what is restored is again', async () => {
    await pushImage(root.registry, 'team/passing', 'gone')
    assert.deepEqual((await found(reader, 'passing')).map(asText), ['repository team/passing'])
    await root.call('DELETE', '/repositories/team%2Fpassing')
    assert.deepEqual([await found(reader, 'passing'), await found(reader, 'gone')], [[], []])
  })

  test('the command line shows the same', async () => {
    const environment = { BERTH_SERVER: people.rooms.url, BERTH_USER: 'reader', BERTH_TOKEN: password }
    const { lines } = await runVerb(['search', 'app', '--kind', 'repository', 'tag'], environment)
    assert.deepEqual(lines.join('\n').split('\n'), [
      'KIND        NAME            PROJECT',
      'repository  team/app        team',
      'repository  team/app-store  team',
      'repository  team/my-app     team',
    ])
    const { lines: json, errors } = await runVerb(['search', 'v1', '--limit', '1', '--json'], environment)
    assert.equal((JSON.parse(json.join('\n')) as { readonly items: readonly Found[] }).items[0]?.tag, 'v1.2')
    assert.deepEqual(errors, [])
    const { errors: more } = await runVerb(['search', 'v1', '--limit', '1'], environment)
    assert.match(more.join('\n'), /there may be more/)
    await assert.rejects(runVerb(['search', 'x', '--kind', 'user'], environment), /kind/)
  })
})
