/** Of mutation-list.ts, the mistakes about what garbage collection may take. */
import type { Mutation } from './mutation.ts'

export const leaseMutations: readonly Mutation[] = [
  {
    name: 'no lease on HEAD',
    harm: 'a client that was told to skip an upload finds the blob gone when it pushes the manifest',
    edits: [
      {
        file: 'registry/pull-blob.ts',
        find: 'if (blob.referenced || garbageDelayMs === 0 || blob.leaseUntil - now >= garbageDelayMs / 2) return true',
        replace: 'if (now > 0) return true',
      },
    ],
  },
  {
    name: 'no lease on mount',
    harm: 'a mounted blob goes before its manifest comes',
    edits: [
      { file: 'registry/mount-blob.ts', find: '    await later(tx, extendLease(tx, blob.blobId, leaseUntil))\n', replace: '' },
      {
        file: 'registry/mount-blob.ts',
        find: 'blobId: blob.blobId, reviewAfter: leaseUntil })',
        replace: 'blobId: blob.blobId, reviewAfter: now })',
      },
    ],
  },
  {
    name: 'no lease on a repeated push',
    harm: 'a blob that was pushed again goes with the lease of the first push',
    edits: [
      { file: 'registry/publish-blob.ts', find: 'extendLease(tx, blobId, push.leaseUntil), ', replace: '' },
      { file: 'registry/publish-blob.ts', find: 'blobId, reviewAfter: push.leaseUntil })', replace: 'blobId, reviewAfter: push.now })' },
    ],
  },
  {
    name: 'no lease when a manifest goes',
    harm: 'a HEAD that saw a referenced blob promised what the deletion of its manifest takes away',
    edits: [
      { file: 'metadata/garbage.ts', find: '.set({ lease_until: safeUntil })', replace: '.set({ lease_until: 0 })' },
      { file: 'metadata/garbage.ts', find: "select 'link', rb.id, ${safeUntil} from", replace: "select 'link', rb.id, 0 from" },
    ],
  },
  {
    name: 'a lease counts from before its write waited',
    harm: 'a HEAD that was answered while the deletion of a manifest waited for its turn promised longer than its blobs stay',
    edits: [
      {
        file: 'metadata/write-wait.ts',
        find: 'time + Math.max(0, wait.now() - wait.queuedAt)',
        replace: 'time + Math.max(0, wait.queuedAt - wait.queuedAt)',
      },
    ],
  },
  {
    name: 'no look at references before a blob is condemned',
    harm: 'garbage collection takes a blob that a manifest came for meanwhile',
    edits: [
      {
        file: 'registry/garbage-batches.ts',
        find: `const isOver = ({ isHeld, leaseUntil }: { isHeld: boolean; leaseUntil: number }) => !isHeld && leaseUntil <= input.dueBefore`,
        replace: `const isOver = ({ leaseUntil }: { isHeld: boolean; leaseUntil: number }) => leaseUntil <= input.dueBefore`,
      },
    ],
  },
  {
    name: 'no look at the lease before a link goes',
    harm: 'blobs go between their push and their manifest',
    edits: [
      {
        file: 'registry/garbage-batches.ts',
        find: '!isNeeded && leaseUntil <= input.dueBefore',
        replace: '!isNeeded && leaseUntil >= 0',
      },
    ],
  },
  {
    name: 'the review of links ignores live manifests',
    harm: 'an image loses its layers',
    edits: [
      {
        file: 'registry/garbage-batches.ts',
        find: '!isNeeded && leaseUntil <= input.dueBefore',
        replace: '!(isNeeded && leaseUntil < 0) && leaseUntil <= input.dueBefore',
      },
    ],
  },
  {
    name: 'manifests in the trash do not hold their blobs',
    harm: 'what is restored has no layers',
    edits: [
      {
        file: 'metadata/trashed-manifests.ts',
        find: `  await tx.updateTable('manifest_blobs').set({ repository_id: repositoryId }).where('manifest_id', '=', manifestId).execute()\n`,
        replace: `  await tx.deleteFrom('manifest_blobs').where('manifest_id', '=', manifestId).execute()\n`,
      },
    ],
  },
  {
    name: 'blobs of a restored manifest are not linked again',
    harm: 'a restored image cannot be pulled',
    edits: [
      {
        file: 'registry/restore-manifest.ts',
        find: '  await relinkBlobs(tx, { manifestId, repositoryId, now })\n',
        replace: '',
      },
    ],
  },
]
