import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { findLiveBlob } from '#metadata/blobs.ts'
import type { Digest } from '#oci/digest.ts'
import { pushLayers, type Layer } from '../support/layered-image.ts'
import { mediaTypes, pushArtifact, pushIndex, type PushedImage } from '../support/registry-client.ts'
import { tarEntries } from '../support/tar-entries.ts'
import { lower, upper } from './image-layers.ts'
import { openPeople, type People, type Person } from './people.ts'

const repository = 'team/app'
const base = '/repositories/team%2Fapp/manifests'

suite('files of an image over the API', () => {
  let people: People
  let guest: Person
  let auditor: Person
  let outsider: Person
  let image: PushedImage
  before(async () => {
    people = await openPeople()
    for (const name of ['team', 'other']) assert.equal((await people.root.call('POST', '/projects', { name })).status, 201)
    guest = await people.add('guest')
    auditor = await people.add('auditor')
    outsider = await people.add('outsider')
    await people.grant(guest, 'guest', 'team')
    await people.grant(auditor, 'auditor', 'team')
    await people.grant(outsider, 'maintainer', 'other')
    image = await push('latest', [lower, upper])
  })
  after(() => people[Symbol.asyncDispose]())

  const push = (tag: string, layers: readonly Layer[]) => pushLayers(people.root.registry, { repository, tag }, layers)
  const list = (query: string, reference = 'latest', who = guest) =>
    who.call('GET', `${base}/${encodeURIComponent(reference)}/files?${query}`)
  const names = async (query: string, reference = 'latest') => {
    const reply = await list(query, reference)
    assert.equal(reply.status, 200, JSON.stringify(reply.body))
    return reply.body.items?.map(({ name }) => name)
  }
  const file = (query: string, reference = 'latest', method = 'GET') =>
    guest.registry.send(`/api/v1${base}/${encodeURIComponent(reference)}/file?${query}`, { method })
  const text = async (query: string, reference = 'latest') => {
    const answer = await file(query, reference)
    assert.equal(answer.status, 200, answer.body.toString())
    return answer.body.toString()
  }

  test('are those that a container would see: what was removed is gone, what was replaced is new', async () => {
    assert.deepEqual(await names('path=/'), ['bin', 'dev', 'etc', 'loop', 'opt', 'out', 'run', 'usr'])
    assert.deepEqual(await names('path=/etc'), ['name'])
    assert.deepEqual(await names('path=/opt'), ['three'])
    assert.equal((await list('path=/etc/old')).status, 404)
    const { body } = await list('path=etc/')
    assert.deepEqual(body.items?.[0], {
      name: 'name',
      type: 'file',
      sizeBytes: 16,
      mode: 0o644,
      uid: 0,
      gid: 0,
      modifiedAt: '2023-11-14T22:13:20.000Z',
      isReadable: true,
      layer: image.layers[1]?.digest,
    })
    assert.deepEqual([body['digest'], body['path'], body['count'], body['unreadable']], [image.descriptor.digest, '/etc', 1, []])
  })

  test('are found behind symbolic links, which never lead out of the image', async () => {
    assert.deepEqual(await names('path=/bin'), ['ash', 'circle', 'nowhere', 'sh'])
    assert.equal((await list('path=/bin')).body['path'], '/usr/bin')
    assert.equal(await text('path=/bin/sh'), 'shell')
    assert.equal(await text('path=/out'), 'upper is longer\n')
    assert.equal(await text('path=/bin/../../../../etc/name'), 'upper is longer\n')
    assert.equal((await file('path=/loop')).status, 404)
  })

  test('are of one layer alone where that is asked for, with what it hides', async () => {
    const layer = `layer=${encodeURIComponent(image.layers[1]?.digest ?? '')}`
    const { body } = await list(`path=/etc&${layer}`)
    assert.deepEqual(
      body.items?.map(({ name, type }) => [name, type]),
      [
        ['gone', 'whiteout'],
        ['name', 'file'],
        ['old', 'whiteout'],
      ],
    )
    assert.equal((await list(`path=/opt&${layer}`)).body['isOpaque'], true)
    const first = `layer=${encodeURIComponent(image.layers[0]?.digest ?? '')}`
    assert.equal(await text(`path=/etc/name&${first}`), 'lower\n')
    assert.equal((await list(`path=/&layer=sha256:${'0'.repeat(64)}`)).status, 404)
    assert.equal((await list('path=/&layer=nonsense')).status, 404)
  })

  test('come in pages that fit together, and not with those of another manifest', async () => {
    await push('many', [Array.from({ length: 250 }, (_, index) => ({ path: `d/${String(index).padStart(3, '0')}`, content: '' }))])
    const seen: unknown[] = []
    let cursor = ''
    for (;;) {
      const { body, status } = await list(`path=/d&limit=100${cursor}`, 'many')
      assert.equal(status, 200)
      seen.push(...(body.items?.map(({ name }) => name) ?? []))
      if (body['next'] === undefined) break
      cursor = `&cursor=${JSON.stringify(body['next']).slice(1, -1)}`
    }
    assert.equal(seen.length, 250)
    assert.deepEqual(seen.map(String), seen.map(String).toSorted())
    await push('many', [[{ path: 'd/other', content: '' }]])
    const moved = await list(`path=/d&limit=100${cursor}`, 'many')
    assert.equal(moved.status, 400)
    assert.match(String(moved.body['detail']), /moved since/)
  })

  test('are in the order that is asked for', async () => {
    await push('sorted', [
      [
        { path: 'd/b', content: 'xx', modifiedAt: 1 },
        { path: 'd/a', content: 'xx', modifiedAt: 3 },
        { path: 'd/c', content: 'x', modifiedAt: 2 },
      ],
    ])
    for (const [sort, expected] of Object.entries({
      name: 'abc',
      '-name': 'cba',
      sizeBytes: 'cab',
      '-sizeBytes': 'bac',
      modifiedAt: 'bca',
    }))
      assert.equal((await names(`path=/d&sort=${sort}`, 'sorted'))?.join(''), expected, sort)
    const first = await list('path=/d&limit=1', 'sorted')
    assert.equal((await list(`path=/d&limit=1&sort=-name&cursor=${JSON.stringify(first.body['next']).slice(1, -1)}`, 'sorted')).status, 400)
  })

  test('are given as bytes to be saved, and nothing that a browser would run', async () => {
    const answer = await file('path=/etc/name')
    assert.equal(answer.body.toString(), 'upper is longer\n')
    assert.equal(answer.headers['content-length'], '16')
    assert.equal(answer.headers['x-file-size'], '16')
    assert.equal(answer.headers['content-type'], 'application/octet-stream')
    assert.match(answer.headers['content-disposition'] ?? '', /^attachment; filename="name"/)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.match(String(answer.headers['content-security-policy']), /sandbox/)
    assert.match(answer.headers['cache-control'] ?? '', /no-store/)
  })

  test('are read in parts', async () => {
    assert.equal(await text('path=/etc/name&offset=6&limit=2'), 'is')
    assert.equal(await text('path=/etc/name&offset=6'), 'is longer\n')
    assert.equal(await text('path=/etc/name&offset=1000'), '')
    assert.equal(await text('path=/etc/name&limit=0'), '')
    for (const query of ['offset=-1', 'limit=x', 'offset=99999999999999999999'])
      assert.equal((await file(`path=/etc/name&${query}`)).status, 400)
  })

  test('tell their size to HEAD, which reads nothing', async () => {
    const answer = await file('path=/etc/name', 'latest', 'HEAD')
    assert.deepEqual([answer.status, answer.headers['content-length'], answer.body.length], [200, '16', 0])
  })

  test('are read through hard links, of their own layer or of one below', async () => {
    assert.equal(await text('path=/usr/bin/ash'), 'shell')
    const { body } = await list('path=/usr/bin')
    const found = body.items?.map(({ name, sizeBytes, isReadable, linkTarget }) => [name, sizeBytes, isReadable, linkTarget])
    assert.deepEqual(found, [
      ['ash', 5, true, 'usr/bin/sh'],
      ['circle', 0, false, 'usr/bin/circle'],
      ['nowhere', 0, false, 'no/such'],
      ['sh', 5, true, undefined],
    ])
    for (const name of ['circle', 'nowhere']) {
      const answer = await file(`path=/usr/bin/${name}`)
      assert.equal(answer.status, 422)
      assert.match(answer.body.toString(), /hard link to what is not in the image/)
    }
  })

  test('that are none are told by what they are', async () => {
    for (const [path, what] of [
      ['/etc', 'a directory and no file'],
      ['/dev/null', 'a device and no file'],
      ['/run/pipe', 'a pipe and no file'],
    ] as const) {
      const answer = await file(`path=${path}`)
      assert.equal(answer.status, 400)
      assert.ok(answer.body.toString().includes(what))
    }
    assert.match(String((await list('path=/etc/name')).body['detail']), /a file and no directory/)
  })

  test('are read from layers that are plain, gzip and zstd, in one frame or many', async () => {
    const archive = (content: string) => tarEntries([{ path: content, content: content.repeat(1000) }])
    const [one, two] = [archive('z').subarray(0, 512), archive('z').subarray(512)]
    await push('packed', [
      { bytes: archive('p') },
      {
        bytes: Buffer.concat([gzipSync(archive('g').subarray(0, 700)), gzipSync(archive('g').subarray(700))]),
        mediaType: mediaTypes.gzipLayer,
      },
      { bytes: Buffer.concat([zstdCompressSync(one), zstdCompressSync(two)]), mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' },
    ])
    assert.deepEqual(await names('path=/', 'packed'), ['g', 'p', 'z'])
    for (const name of ['g', 'p', 'z']) assert.equal(await text(`path=/${name}&offset=10&limit=20`, 'packed'), name.repeat(20))
  })

  test('of an index are those of the image for a platform', async () => {
    const arm = await push('arm', [[{ path: 'arm', content: 'a' }]])
    const index = await pushIndex(people.root.registry, repository, 'multi', [
      { ...arm.descriptor, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      { ...image.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
    ])
    assert.equal((await list('path=/', 'multi')).body['platform'], 'linux/amd64')
    assert.deepEqual(await names('platform=linux/arm64', 'multi'), ['arm'])
    assert.deepEqual(await names('platform=linux/arm64/v8', index.descriptor.digest), ['arm'])
    const missing = await list('platform=linux/riscv64', 'multi')
    assert.equal(missing.status, 400)
    assert.match(String(missing.body['detail']), /linux\/arm64\/v8, linux\/amd64/)
    for (const platform of ['linux', 'linux/', '/amd64', 'a/b/c/d', ''])
      assert.equal((await list(`platform=${platform}`, 'multi')).status, 400)
  })

  test('are shown to who may pull, and to nobody else', async () => {
    assert.equal((await list('path=/', 'latest', people.stranger)).status, 401)
    assert.equal((await list('path=/', 'latest', outsider)).status, 404)
    assert.equal((await list('path=/', 'latest', auditor)).status, 403)
    assert.equal((await outsider.registry.send(`/api/v1${base}/latest/file?path=/etc/name`)).status, 404)
  })

  test('of what is not there are not there', async () => {
    for (const reference of ['nothing', `sha256:${'0'.repeat(64)}`, '!', 'sha256:abc']) {
      const answer = await list('path=/', reference)
      assert.equal(answer.status, 404)
      assert.match(String(answer.body['detail']), /no manifest/)
    }
    assert.equal((await list('path=/nothing')).status, 404)
    assert.equal((await list(`path=${encodeURIComponent('/etc\0/name')}`)).status, 400)
    assert.equal((await list(`path=/${'x'.repeat(5000)}`)).status, 400)
    assert.equal((await file('')).status, 400)
    assert.equal((await guest.call('GET', '/repositories/team%2Fnothing/manifests/latest/files')).status, 404)
  })

  suite('whose layers are hostile', () => {
    const told = async (tag: string, layers: readonly Layer[]) => {
      const pushed = await push(tag, layers)
      const { status, body } = await list('path=/', tag)
      assert.equal(status, 200, JSON.stringify(body))
      const [first] = body['unreadable'] as { layer: string; reason: string }[]
      return { pushed, reason: first?.reason ?? '', names: body.items?.map(({ name }) => name) }
    }

    test('have names that would leave the image within it', async () => {
      const { names: found } = await told('traversal', [
        [
          { path: '../../etc/passwd', content: 'x' },
          { path: '/absolute', content: 'x' },
          { path: './here/../there', content: 'x' },
          { path: '<img src=x onerror=alert(1)>', content: 'x' },
          { path: '.wh..wh.aufs', content: 'x' },
          { path: '..', type: '5' },
        ],
      ])
      assert.deepEqual(found, ['<img src=x onerror=alert(1)>', 'absolute', 'etc', 'there'])
      const answer = await file(`path=${encodeURIComponent('/<img src=x onerror=alert(1)>')}`, 'traversal')
      const disposition = answer.headers['content-disposition'] ?? ''
      assert.equal(/[<>\r\n]/.test(disposition), false)
      assert.match(disposition, /filename\*=UTF-8''%3Cimg/)
    })

    test('are told as unreadable, and the rest is shown', async () => {
      const good: Layer = [{ path: 'good', content: 'x' }]
      const whole = tarEntries([{ path: 'cut', content: 'x'.repeat(5000) }])
      const packed = gzipSync(whole)
      const broken = Buffer.from(packed)
      broken.fill(0, 12, 20)
      const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
        ['cut', whole.subarray(0, 3000), /ends before/],
        ['cut-gzip', packed.subarray(0, -10), /damaged or were cut/],
        ['broken', broken, /damaged or were cut|no header/],
        ['no-tar', Buffer.from('just some text that is long enough'.repeat(50)), /no header/],
        ['bzip2', Buffer.from('BZh91AY&SY'), /compressed in a way/],
      ]
      for (const [tag, bytes, reason] of cases) {
        const found = await told(tag, [good, { bytes }])
        assert.match(found.reason, reason, tag)
        assert.deepEqual(found.names, ['good'])
        // What the unreadable layer may have replaced or removed is not told as if it were known.
        const answer = await file('path=/good', tag)
        assert.equal(answer.status, 422)
        assert.ok(answer.body.toString().includes(found.pushed.layers[1]?.digest ?? 'no digest'))
        assert.equal((await file('path=/other', tag)).status, 422)
        const alone = await list(`path=/&layer=${encodeURIComponent(found.pushed.layers[1]?.digest ?? '')}`, tag)
        assert.equal(alone.status, 422)
      }
      // What lies above it is certain.
      await push('above', [{ bytes: Buffer.from('BZh91AY&SY') }, good])
      assert.equal(await text('path=/good', 'above'), 'x')
    })

    test('are told as kept elsewhere, or as encrypted', async () => {
      const foreign = await told('foreign', [
        { bytes: Buffer.from('foreign'), mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', missing: true },
      ])
      assert.match(foreign.reason, /licence/)
      const encrypted = await told('encrypted', [
        { bytes: Buffer.from('secret'), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip+encrypted' },
      ])
      assert.match(encrypted.reason, /encrypted/)
    })

    test('have as many entries and bytes as the configuration allows, and no more', async () => {
      await using small = await openPeople({ contents: { entries: 10, layerBytes: 1024 * 1024, fileBytes: 1000 } })
      const { root } = small
      await root.call('POST', '/projects', { name: 'team' })
      const look = async (tag: string, layer: Layer, query = 'files?path=/') => {
        await pushLayers(root.registry, { repository, tag }, [layer])
        return await root.call('GET', `${base}/${tag}/${query}`)
      }
      const reasonOf = ({ body }: Awaited<ReturnType<typeof look>>) => JSON.stringify(body['unreadable'])
      assert.match(
        reasonOf(
          await look(
            'eleven',
            Array.from({ length: 11 }, (_, index) => ({ path: `f${index}` })),
          ),
        ),
        /more than 10 entries/,
      )
      // Directories that nobody mentions count too.
      assert.match(reasonOf(await look('deep', [{ path: Array.from({ length: 12 }, () => 'd').join('/') }])), /more than 10 entries/)
      assert.equal(
        reasonOf(
          await look(
            'ten',
            Array.from({ length: 10 }, (_, index) => ({ path: `f${index}` })),
          ),
        ),
        '[]',
      )
      const bomb = { bytes: gzipSync(tarEntries([{ path: 'bomb', content: Buffer.alloc(50 * 1024 * 1024) }])) }
      assert.match(reasonOf(await look('bomb', bomb)), /more than 1048576 bytes/)
      const tail = { bytes: gzipSync(Buffer.concat([tarEntries([{ path: 'a' }]), Buffer.alloc(50 * 1024 * 1024)])) }
      assert.match(reasonOf(await look('tail', tail)), /more than 1048576 bytes/)
      const large = await look('large', [{ path: 'large', content: 'x'.repeat(1001) }], 'file?path=/large')
      assert.equal(large.status, 422)
      assert.match(String(large.body['detail']), /1001 bytes, more than the 1000/)
    })

    test('are not looked into when their lists take more memory than there is', async () => {
      await using small = await openPeople({ contents: { cacheBytes: 1000 } })
      await small.root.call('POST', '/projects', { name: 'team' })
      await pushLayers(small.root.registry, { repository, tag: 'wide' }, [
        Array.from({ length: 50 }, (_, index) => ({ path: `f${index}` })),
      ])
      const answer = await small.root.call('GET', `${base}/wide/files`)
      assert.equal(answer.status, 422)
      assert.match(String(answer.body['detail']), /memory/)
    })

    test('set a time that no calendar has without harm', async () => {
      await push('times', [
        [
          { path: 'far', pax: { mtime: '9999999999999' } },
          { path: 'past', pax: { mtime: '-9999999999999' } },
        ],
      ])
      const { status, body } = await list('path=/', 'times')
      assert.equal(status, 200)
      for (const item of body.items ?? []) assert.match(String(item['modifiedAt']), /^\d{4}-/)
    })
  })

  test('of a manifest that is no image have nothing in them', async () => {
    await pushArtifact(people.root.registry, repository, {
      artifactType: 'application/spdx+json',
      content: Buffer.from('{"sbom":1}'),
      tag: 'sbom',
    })
    const { body, status } = await list('path=/', 'sbom')
    assert.equal(status, 200)
    assert.equal((body['unreadable'] as unknown[]).length, 1)
  })

  test('whose bytes went, or were changed on the disk, are told as damaged', async () => {
    await using own = await openPeople()
    await own.root.call('POST', '/projects', { name: 'team' })
    const damage = async (tag: string, harm: (path: string) => Promise<void>) => {
      const pushed = await pushLayers(own.root.registry, { repository, tag }, [[{ path: tag, content: randomBytes(300_000) }]])
      const place = await findLiveBlob(own.rooms.registry.metadata.reader, pushed.layers[0]?.digest as Digest)
      await harm(join(own.rooms.directory, 'data', place?.key ?? 'none'))
      return await own.root.call('GET', `${base}/${tag}/files?path=/`)
    }
    const gone = await damage('gone', (path) => rm(path))
    assert.match(JSON.stringify(gone.body['unreadable']), /missing/)
    const changed = await damage('changed', async (path) => {
      const bytes = await readFile(path)
      // The time in gzip's head: what comes out is the same, and the blob is another.
      bytes.writeUInt32LE(12345, 4)
      await writeFile(path, bytes)
    })
    assert.match(JSON.stringify(changed.body['unreadable']), /damaged/)
    assert.equal(
      (await own.root.registry.send(`/v2/${repository}/blobs/${String((changed.body['unreadable'] as { layer: string }[])[0]?.layer)}`))
        .status,
      404,
    )
  })
})
