/** Mistakes that the simulation must find: each is a change of one place of server/. docs/reference/simulation.md lists them with a seed that catches each. */
import { leaseMutations } from './mutation-list-leases.ts'
import type { Mutation } from './mutation.ts'

export const mutations: readonly Mutation[] = [
  ...leaseMutations,
  {
    name: 'the key is the digest',
    harm: 'the deletion of an old blob hits the bytes of its next push',
    edits: [
      {
        file: 'blobs/blob-store.ts',
        find: "${random.bytes(8).toString('hex')}` as BlobKey",
        replace: "${random.bytes(8).toString('hex').slice(0, 0)}0000000000000000` as BlobKey",
      },
    ],
  },
  {
    name: 'no sync of the file',
    harm: 'a power cut leaves an acknowledged blob empty',
    edits: [
      {
        file: 'blobs/filesystem.ts',
        find: 'syncBytes: () => this.#syncs.run(() => handle.datasync()),',
        replace: 'syncBytes: () => Promise.resolve(),',
      },
    ],
  },
  {
    name: 'no sync of the directory of a key',
    harm: 'a power cut takes the name of an acknowledged blob',
    edits: [
      {
        file: 'blobs/filesystem.ts',
        find: `      try {
        await this.#directories.syncEntry(directory)`,
        replace: `      try {
        await Promise.resolve()`,
      },
    ],
  },
  {
    name: 'no sync of the directory above',
    harm: 'a power cut takes the directory of an acknowledged blob',
    edits: [
      {
        file: 'blobs/directories.ts',
        find: 'await allEnded([this.sync(directory), ...names.map((name) => this.sync(dirname(name)))])',
        replace: 'await this.sync(directory)',
      },
    ],
  },
  {
    name: 'no sync of the name of the root directory',
    harm: 'the first power cut takes the whole data directory',
    edits: [
      {
        file: 'blobs/directories.ts',
        find: 'for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(files, dirname(made))',
        replace: '',
      },
    ],
  },
  {
    name: 'no sync of removed names',
    harm: 'a power cut brings back bytes that no row knows any more',
    edits: [
      {
        file: 'blobs/filesystem.ts',
        find: '      await allEnded([...touched].map((directory) => this.#syncRemoval(directory)))\n',
        replace: '',
      },
    ],
  },
  {
    name: 'a failed sync is tried again',
    harm: 'the system calls the second try a success, and the bytes are not on the disk',
    edits: [
      {
        file: 'blobs/filesystem.ts',
        find: 'syncBytes: () => this.#syncs.run(() => handle.datasync()),',
        replace: 'syncBytes: () => this.#syncs.run(() => handle.datasync().catch(() => handle.datasync())),',
      },
    ],
  },
  {
    name: 'bytes go before their row',
    harm: 'a blob has a row and no bytes',
    edits: [
      {
        file: 'registry/collect-garbage.ts',
        find: '  await untilEmpty(registry, collection, { step: reviewBlobs,',
        replace: `  const going = await registry.metadata.reader.selectFrom('garbage_reviews as g').innerJoin('blobs as b', 'b.id', 'g.target_id').select('b.key')
    .where('g.kind', '=', 'blob').where('b.lease_until', '<=', registry.context.ports.clock.now()).execute()
  await registry.store.delete(going.map(({ key }) => key as never))
  await untilEmpty(registry, collection, { step: reviewBlobs,`,
      },
    ],
  },
  {
    name: 'the key is not noted before it is used',
    harm: 'a crash leaves bytes that nobody knows',
    edits: [
      {
        file: 'registry/publish-blob.ts',
        find: 'noteKey, { store, key, sizeBytes, deleteAfter })',
        replace: 'noteKey, { store, key: `${key}0`, sizeBytes, deleteAfter })',
      },
    ],
  },
  {
    name: 'bytes go with their row',
    harm: 'bytes go while somebody reads them',
    edits: [
      {
        file: 'registry/collect-garbage.ts',
        find: 'deleteAfter: isPatient ? now + options.readersDelayMs : now,',
        replace: 'deleteAfter: now,',
      },
    ],
  },
  {
    name: 'a noted key is due at once',
    harm: 'the bytes of a push go before its commit',
    edits: [
      {
        file: 'registry/publish-blob.ts',
        find: 'const deleteAfter = ports.clock.now() + keyOutlivesRowMs',
        replace: 'const deleteAfter = ports.clock.now()',
      },
    ],
  },
  {
    name: 'the commit does not ask for its note',
    harm: 'a blob whose bytes were collected while it was committed has a row',
    edits: [
      {
        file: 'registry/publish-blob.ts',
        find: "if (!(await cancelDeletion(tx, noteId))) throw new RegistryError('UNAVAILABLE')",
        replace: 'await cancelDeletion(tx, noteId)',
      },
    ],
  },
  {
    name: 'the history of a tag is not written when it is deleted',
    harm: 'nobody knows what the tag pointed at',
    edits: [
      {
        file: 'metadata/tags.ts',
        find: '  await insertHistory(tx, change, undefined, current.digest)\n',
        replace: '',
      },
    ],
  },
  {
    name: 'no event of a moved tag',
    harm: 'webhooks, audit and replication miss a push',
    edits: [
      {
        file: 'registry/tag-manifest.ts',
        find: "    await recordEvent(tx, { action: 'tag.moved', repository, tag, digest, detail, at: now, ...who })\n",
        replace: '',
      },
    ],
  },
  {
    name: 'the expected digest of a tag is ignored',
    harm: 'a tag that was pushed meanwhile is deleted',
    edits: [
      {
        file: 'registry/delete-manifest.ts',
        find: "if (expectedDigest !== undefined && removed.digest !== expectedDigest) throw new RegistryError('PRECONDITION_FAILED')",
        replace: '',
      },
    ],
  },
  {
    name: 'usage is not counted off when a manifest goes',
    harm: 'a project is full of what is not there',
    edits: [
      {
        file: 'registry/remove-manifest.ts',
        find: '  await manifestLeft(tx, { repositoryId, manifestId })\n',
        replace: '',
      },
    ],
  },
  {
    name: 'usage of a repository is not counted off',
    harm: 'a project is full of what is in the trash',
    edits: [
      {
        file: 'registry/delete-repository.ts',
        find: '  await repositoryLeft(tx, repositoryId)\n',
        replace: '',
      },
    ],
  },
  {
    name: 'the quota is looked at before the change',
    harm: 'the last push goes beyond the limit',
    edits: [
      {
        file: 'metadata/quota-check.ts',
        find: 'if (usage[unit] > limit) throw',
        replace: 'if (usage[unit] - more > limit) throw',
      },
    ],
  },
  {
    name: 'the offset of an upload is written before its bytes are durable',
    harm: 'a power cut leaves an upload that ends in zeros',
    edits: [
      {
        file: 'registry/receive-body.ts',
        find: '    await writer?.sync()\n    return { offsetBytes, hash }',
        replace: '    return { offsetBytes, hash }',
      },
    ],
  },
  {
    name: 'a restarted process trusts the offset in the row',
    harm: 'an upload goes on behind bytes that are not there',
    edits: [
      {
        file: 'registry/upload-session.ts',
        find: "if (found === undefined && session.offsetBytes > 0) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')",
        replace: 'if (found === undefined) return { session, hash: createDigestHash(session.algorithm), digestSoFar: undefined }',
      },
    ],
  },
  {
    name: 'two requests write to one upload',
    harm: 'bytes of two requests are mixed',
    edits: [
      {
        file: 'registry/upload-table.ts',
        find: '    if (this.#claimed.has(uploadId)) return undefined\n    const claim',
        replace: '    const claim',
      },
    ],
  },
  {
    name: 'answers before the commit',
    harm: 'a crash takes what was acknowledged',
    edits: [
      { file: 'metadata/sqlite-group.ts', find: "    connection.execute('commit')\n    return answers\n", replace: '    return answers\n' },
      {
        file: 'metadata/sqlite-group.ts',
        find: '    begin()\n',
        replace: "    if (connection.database.isTransaction) connection.execute('commit')\n    begin()\n",
      },
    ],
  },
  {
    name: 'a job writes without its fence',
    harm: 'a paused worker does once more what another has done',
    edits: [
      {
        file: 'metadata/job-claims.ts',
        find: "    .where('fence', '=', param('fence'))\n    .where(stateIs('running'))\n    .returning('id'),\n)\n\n/** Keeps the cursor; false",
        replace:
          "    .where('fence', '>=', param('fence'))\n    .where('state', 'in', ['running', 'done', 'waiting'])\n    .returning('id'),\n)\n\n/** Keeps the cursor; false",
      },
    ],
  },
  {
    name: 'retention removes what was pushed meanwhile',
    harm: 'a release that was pushed while a policy ran is gone',
    edits: [
      {
        file: 'features/retention-remove.ts',
        find: "if (tag.digest !== decision.digest || tag.pushedAt !== decision.pushedAt) return 'was pushed while the policy ran'",
        replace: '',
      },
      {
        file: 'features/retention-remove.ts',
        find: 'name: decision.tag as Tag, expectedDigest: decision.digest }',
        replace: 'name: decision.tag as Tag }',
      },
    ],
  },
  {
    name: 'deletes do not ask for immutable tags',
    harm: 'a release is deleted',
    edits: [
      {
        file: 'registry/delete-manifest.ts',
        find: "  await requireMutable(tx, { repository, tags: [tag], act: 'delete' })\n",
        replace: '',
      },
    ],
  },
  {
    name: 'tagging does not ask for immutable tags',
    harm: 'a release becomes another one',
    edits: [
      { file: 'registry/tag-manifest.ts', find: "      await requireMutable(tx, { repository, tags: [tag], act: 'move' })\n", replace: '' },
    ],
  },
]
