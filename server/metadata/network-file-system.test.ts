import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { systemPorts } from '#lib/ports.ts'
import { refuseNetworkFileSystem } from './network-file-system.ts'

type Files = Parameters<typeof refuseNetworkFileSystem>[1]

/** A machine whose directory is on a file system of this type. */
function filesOn(type: number, mounted = ''): Files {
  return {
    statfs: (async () => ({ type })) as unknown as Files['statfs'],
    stat: (async () => ({ dev: 0x35 })) as unknown as Files['stat'],
    readFile: (async () =>
      `21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n40 21 0:53 / /data rw - ${mounted} source rw\n`) as unknown as Files['readFile'],
  }
}

suite('SQLite on a network file system', () => {
  for (const [name, type] of Object.entries({ nfs: 0x6969, cifs: 0xff534d42, smb3: 0xfe534d42, ceph: 0x00c36400, lustre: 0x0bd00bd0 })) {
    test(`${name} is refused in one sentence that names the file and the way out`, async () => {
      await assert.rejects(refuseNetworkFileSystem('/data/berth.db', filesOn(type)), {
        message: new RegExp(String.raw`^the database /data/berth\.db is on a network file system \(${name}\).*database\.driver`),
      })
    })
  }

  for (const mounted of ['fuse.sshfs', 'fuse.s3fs', 'fuse.glusterfs', 'fuse.ceph-fuse']) {
    test(`${mounted} is refused, by the table of mounts`, async () => {
      await assert.rejects(refuseNetworkFileSystem('/data/berth.db', filesOn(0x65735546, mounted)), {
        message: new RegExp(String.raw`\(${mounted.replace('.', String.raw`\.`)}\)`),
      })
    })
  }

  for (const mounted of ['fuseblk', 'virtiofs', 'fuse.lxcfs', 'fuse.mergerfs']) {
    test(`${mounted} is local`, async () => {
      await refuseNetworkFileSystem('/data/berth.db', filesOn(0x65735546, mounted))
    })
  }

  test('ext4, a directory of this machine and one that cannot be asked are local', async () => {
    await refuseNetworkFileSystem('/data/berth.db', filesOn(0xef53))
    await refuseNetworkFileSystem(join(tmpdir(), 'berth.db'), systemPorts.files)
    await refuseNetworkFileSystem('/nowhere/at/all/berth.db', systemPorts.files)
  })
})
