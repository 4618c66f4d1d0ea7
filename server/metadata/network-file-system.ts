/**
 * Refuses SQLite where it would lose data: its write-ahead log lives in memory shared by all processes of one machine, and its locks are those of the
 * file system, which network file systems promise and break (https://sqlite.org/wal.html, https://sqlite.org/howtocorrupt.html §2).
 */
import { dirname } from 'node:path'
import type { Files } from '#lib/ports.ts'

/** `f_type` of statfs(2), linux/magic.h and the file systems' own headers. */
const networkTypes = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb3'],
  [0x5346414f, 'afs'],
  [0x73757245, 'coda'],
  [0x00c36400, 'ceph'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x19830326, 'beegfs'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
])
const fuseType = 0x65735546
/** What FUSE is often used for across a network; virtiofs and disks of other systems (ntfs, exfat, ext) are local. */
const networkFuse =
  /^fuse\.(?:sshfs|s3fs|s3backer|glusterfs|rclone|goofys|gcsfuse|ceph(?:-fuse)?|mfs|moosefs|lizardfs|juicefs|JuiceFS|seaweedfs|blobfuse2?|davfs2?|curlftpfs|mount-s3|mountpoint-s3|smbnetfs|nfs.*|hdfs|beegfs.*)$/

/** Throws one sentence when the directory of the database `file` is across a network. What cannot be told counts as local. */
export async function refuseNetworkFileSystem(file: string, files: Pick<Files, 'statfs' | 'stat' | 'readFile'>): Promise<void> {
  const directory = dirname(file)
  const type = await networkFileSystem(directory, files)
  if (type === undefined) return
  throw new Error(
    `the database ${file} is on a network file system (${type}), where SQLite loses data: name a local disk with database.file, or use PostgreSQL with database.driver; blobs may stay there`,
  )
}

/** The name of the network file system that a directory is on; undefined for a local one. */
async function networkFileSystem(directory: string, files: Pick<Files, 'statfs' | 'stat' | 'readFile'>): Promise<string | undefined> {
  try {
    const { type } = await files.statfs(directory)
    if (type !== fuseType) return networkTypes.get(type)
    const { dev } = await files.stat(directory)
    const mounted = mountType(await files.readFile('/proc/self/mountinfo', 'utf8'), dev)
    return mounted !== undefined && networkFuse.test(mounted) ? mounted : undefined
  } catch {
    return undefined
  }
}

/** The file system's type in proc(5)'s mountinfo (field after the lone `-`) of the device with this number. */
function mountType(mountinfo: string, dev: number): string | undefined {
  const number = BigInt(dev)
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn)
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn)
  for (const line of mountinfo.split('\n')) {
    const [mount = '', source = ''] = line.split(' - ')
    if (mount.split(' ')[2] === `${major}:${minor}`) return source.split(' ')[0]
  }
  return undefined
}
