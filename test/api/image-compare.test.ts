import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { pushLayers, type Layer } from '../support/layered-image.ts'
import type { PushedImage } from '../support/registry-client.ts'
import { openPeople, type ApiReply, type People, type Person } from './people.ts'

interface Compared {
  readonly from: { readonly digest: string; readonly repository: string; readonly sizeBytes: number }
  readonly to: { readonly digest: string; readonly repository: string; readonly sizeBytes: number }
  readonly layers: readonly { readonly digest: string; readonly in: string }[]
  readonly config: readonly object[]
  readonly configProblems: readonly string[]
  readonly files: {
    readonly added: number
    readonly removed: number
    readonly changed: number
    readonly isTruncated: boolean
    readonly items: readonly {
      readonly path: string
      readonly change: string
      readonly type: string
      readonly aspects: readonly string[]
    }[]
  }
  readonly packages: readonly object[]
  readonly unreadPackages: readonly { readonly path: string; readonly reason: string }[]
  readonly unreadable: readonly { readonly reason: string }[]
  readonly next?: string
}

const status = (packages: Readonly<Record<string, string>>) =>
  Object.entries(packages)
    .map(([name, version]) => `Package: ${name}\nStatus: install ok installed\nVersion: ${version}\nDescription: x\n more\n`)
    .join('\n')

const debian: Layer = [
  {
    path: 'var/lib/dpkg/status',
    content: `${status({ bash: '5.2', zlib: '1.3' })}\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n`,
  },
  { path: 'bin/bash', content: 'bash 5.2', mode: 0o755 },
  { path: 'etc/', type: '5', mode: 0o755 },
  { path: 'etc/motd', content: 'hello' },
]

suite('comparing two images over the API', () => {
  let people: People
  let root: Person
  let guest: Person
  let before1: PushedImage
  before(async () => {
    people = await openPeople()
    root = people.root
    for (const name of ['team', 'other']) assert.equal((await root.call('POST', '/projects', { name })).status, 201)
    guest = await people.add('guest')
    await people.grant(guest, 'guest', 'team')
    before1 = await push(
      'v1',
      [
        debian,
        [
          { path: 'app/main', content: 'one' },
          { path: 'app/data/', type: '5', mode: 0o755 },
          { path: 'app/data/a', content: 'a' },
          { path: 'app/link', type: '2', link: 'main' },
        ],
      ],
      {
        Env: ['PATH=/bin', 'MODE=dev', 'SAME=1'],
        Entrypoint: ['/app/main'],
        ExposedPorts: { '80/tcp': {} },
        Labels: { version: '1', 'a.b': 'c' },
        User: 'root',
      },
    )
    await push(
      'v2',
      [
        debian,
        [
          { path: 'app/main', content: 'two' },
          { path: 'app/link', type: '2', link: 'other' },
          { path: 'app/extra/deep/file', content: 'x' },
          { path: 'app/same', type: '1', link: 'app/main' },
          { path: 'bin/bash', content: 'bash 5.2', mode: 0o700, uid: 5 },
          { path: 'etc/.wh.motd' },
          { path: 'var/lib/dpkg/status', content: status({ bash: '5.3', curl: '8.0' }) },
        ],
      ],
      {
        Env: ['PATH=/usr/bin:/bin', 'SAME=1', 'NEW='],
        Entrypoint: ['/app/main'],
        Cmd: ['--x'],
        ExposedPorts: { '443/tcp': {} },
        Labels: { version: '2', 'a.b': 'c' },
      },
    )
  })
  after(() => people[Symbol.asyncDispose]())

  const push = (tag: string, layers: readonly Layer[], config: Readonly<Record<string, unknown>> = {}, repository = 'team/app') =>
    pushLayers(root.registry, { repository, tag }, layers, config)
  const ask = (query: string, who = guest): Promise<ApiReply> => who.call('GET', `/repositories/team%2Fapp/compare?${query}`)
  const compare = async (query: string) => {
    const reply = await ask(query)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return reply.body as unknown as Compared
  }
  const changes = ({ files }: Compared) => files.items.map(({ path, change, aspects }) => [path, change, aspects.join()].join(' ').trim())

  test('tells which files differ, and in what', async () => {
    const found = await compare('from=v1&to=v2')
    assert.deepEqual(changes(found), [
      '/app/data removed',
      '/app/data/a removed',
      '/app/extra added',
      '/app/extra/deep added',
      '/app/extra/deep/file added',
      '/app/link changed target',
      '/app/main changed content',
      '/app/same added',
      '/bin/bash changed mode,owner',
      '/etc/motd removed',
      '/var/lib/dpkg/status changed content',
    ])
    assert.deepEqual([found.files.added, found.files.removed, found.files.changed, found.files.isTruncated], [4, 3, 4, false])
    assert.deepEqual(found.unreadable, [])
  })

  test('tells which packages differ', async () => {
    const { packages, unreadPackages } = await compare('from=v1&to=v2')
    assert.deepEqual(packages, [
      { name: 'bash', type: 'deb', from: '5.2', to: '5.3' },
      { name: 'curl', type: 'deb', to: '8.0' },
      { name: 'zlib', type: 'deb', from: '1.3' },
    ])
    assert.deepEqual(unreadPackages, [])
  })

  test('tells what of the config differs, variable by variable', async () => {
    const { config } = await compare('from=v1&to=v2')
    assert.deepEqual(config, [
      { field: 'user', from: 'root' },
      { field: 'cmd', to: '["--x"]' },
      { field: 'env', name: 'MODE', from: 'dev' },
      { field: 'env', name: 'NEW', to: '' },
      { field: 'env', name: 'PATH', from: '/bin', to: '/usr/bin:/bin' },
      { field: 'ports', name: '443/tcp', to: '' },
      { field: 'ports', name: '80/tcp', from: '' },
      { field: 'labels', name: 'version', from: '1', to: '2' },
    ])
  })

  test('tells layers and sizes', async () => {
    const { layers, from, to } = await compare('from=v1&to=v2')
    assert.deepEqual(
      layers.map((layer) => layer.in),
      ['both', 'to', 'from'],
    )
    assert.equal(from.digest, before1.descriptor.digest)
    const sizeOf = (image: PushedImage) => [image.config, ...image.layers].reduce((total, { size }) => total + size, 0)
    assert.equal(from.sizeBytes, sizeOf(before1))
    assert.notEqual(to.sizeBytes, from.sizeBytes)
  })

  test('of one with itself tells nothing', async () => {
    const found = await compare('from=v1&to=v1')
    assert.deepEqual(
      [found.config, found.files.items, found.packages, found.layers.every((layer) => layer.in === 'both')],
      [[], [], [], true],
    )
  })

  test('that have the same files in other layers tells nothing either', async () => {
    await push('split', [[{ path: 'x', content: 'x' }], [{ path: 'd/y', content: 'y' }]])
    await push('joined', [
      [
        { path: 'd/y', content: 'y', modifiedAt: 5 },
        { path: 'x', content: 'x', modifiedAt: 6 },
      ],
    ])
    const found = await compare('from=split&to=joined')
    assert.deepEqual(changes(found), [])
  })

  test('tells a file that became a directory, with what is in it', async () => {
    await push('was-file', [[{ path: 'thing', content: 'x' }]])
    await push('is-directory', [[{ path: 'thing/inside', content: 'x' }]])
    assert.deepEqual(changes(await compare('from=was-file&to=is-directory')), ['/thing changed type', '/thing/inside added'])
    assert.deepEqual(changes(await compare('from=is-directory&to=was-file')), ['/thing changed type', '/thing/inside removed'])
  })

  test('comes in pages', async () => {
    await push('none', [[{ path: 'd/', type: '5' }]])
    await push('many', [[{ path: 'd/', type: '5' }, ...Array.from({ length: 250 }, (_, index) => ({ path: `d/${index}`, content: '' }))]])
    const paths = new Set<string>()
    let query = 'from=none&to=many&limit=100'
    for (;;) {
      const found = await compare(query)
      for (const { path } of found.files.items) paths.add(path)
      assert.equal(found.files.added, 250)
      if (found.next === undefined) break
      query = `from=none&to=many&limit=100&cursor=${found.next}`
    }
    assert.equal(paths.size, 250)
    assert.equal((await ask(`${query.replace('to=many', 'to=v1')}`)).status, 400)
  })

  test('reaches into another repository for who may pull there', async () => {
    await push('v1', [debian], {}, 'other/app')
    assert.equal((await ask('from=v1&to=v1&toRepository=other/app')).status, 404)
    const both = await ask('from=v1&to=v1&toRepository=other/app', root)
    assert.equal(both.status, 200)
    assert.equal((both.body as unknown as Compared).to.repository, 'other/app')
    assert.equal((await ask('from=v1&to=v1&toRepository=no/such')).status, 404)
    assert.equal((await ask('from=v1&to=v1&toRepository=!!')).status, 404)
    const auditor = await people.add('auditor')
    await people.grant(auditor, 'auditor', 'other')
    await people.grant(auditor, 'guest', 'team')
    assert.equal((await ask('from=v1&to=v1&toRepository=other/app', auditor)).status, 403)
    assert.equal((await ask('from=v1&to=v2', people.stranger)).status, 401)
  })

  test('says what is missing', async () => {
    assert.equal((await ask('from=v1&to=nothing')).status, 404)
    assert.equal((await ask('from=v1')).status, 400)
    assert.equal((await ask('from=&to=v1')).status, 400)
  })

  test('goes on beside what cannot be read', async () => {
    await push('bad', [debian, { bytes: Buffer.from('BZh91AY&SY') }])
    const found = await compare('from=v1&to=bad')
    assert.match(found.unreadable[0]?.reason ?? '', /compressed in a way/)
    assert.ok(found.files.removed > 0)
  })

  suite('with packages', () => {
    const packagesOf = async (tag: string, layer: Layer) => {
      await push(tag, [layer])
      const { packages, unreadPackages } = await compare(`from=none&to=${tag}`)
      return { packages, unread: unreadPackages }
    }

    test('of Alpine, wherever it keeps them', async () => {
      const content = 'C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld.so\n\nP:busybox\nV:1.36.1-r29\n'
      for (const path of ['lib/apk/db/installed', 'usr/lib/apk/db/installed']) {
        const { packages } = await packagesOf('alpine', [{ path, content }])
        assert.deepEqual(packages, [
          { name: 'busybox', type: 'apk', to: '1.36.1-r29' },
          { name: 'musl', type: 'apk', to: '1.2.5-r0' },
        ])
      }
    })

    test('of images without a shell, a file each', async () => {
      const { packages } = await packagesOf('distroless', [
        { path: 'var/lib/dpkg/status.d/base', content: 'Package: base-files\nVersion: 12\n' },
        { path: 'var/lib/dpkg/status.d/base.md5sums', content: 'Package: none\nVersion: 1\n' },
        { path: 'var/lib/dpkg/status.d/tz', content: 'Package: tzdata\nVersion: 2026a' },
      ])
      assert.deepEqual(packages, [
        { name: 'base-files', type: 'deb', to: '12' },
        { name: 'tzdata', type: 'deb', to: '2026a' },
      ])
    })

    test('of RPM says that they are not read', async () => {
      const { unread } = await packagesOf('fedora', [{ path: 'usr/lib/sysimage/rpm/rpmdb.sqlite', content: 'SQLite format 3' }])
      assert.deepEqual(unread, [{ path: '/usr/lib/sysimage/rpm/rpmdb.sqlite', reason: 'databases of RPM are not read' }])
    })

    test('whose records are hostile reads what makes sense', async () => {
      const junk = await packagesOf('junk', [
        {
          path: 'var/lib/dpkg/status',
          content: `${'x'.repeat(100_000)}\n\n\nPackage: \nVersion: 1\n\nPackage: ok\nStatus: install ok installed\nVersion: ${'9'.repeat(2_000)}\n`,
        },
      ])
      assert.equal(junk.packages.length, 1)
      assert.ok(JSON.stringify(junk.packages).length < 1_000)
      const circle = await packagesOf('circle', [{ path: 'var/lib/dpkg/status', type: '1', link: 'nowhere' }])
      assert.match(circle.unread[0]?.reason ?? '', /hard link/)
      const many = Array.from({ length: 50_001 }, (_, index) => `P:p${index}\nV:1\n`).join('\n')
      assert.match(
        (await packagesOf('too-many', [{ path: 'lib/apk/db/installed', content: many }])).unread[0]?.reason ?? '',
        /more than 50000/,
      )
    })
  })
})
