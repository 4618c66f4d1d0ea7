/** What a manifest stands for, in a word. */
export type ManifestKind = 'image' | 'index' | 'chart' | 'artifact'

interface Facts {
  readonly mediaType: string
  readonly artifactType?: string | undefined
}

const imageConfigs = new Set(['application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json'])

export function kindOfManifest({ mediaType, artifactType }: Facts): ManifestKind {
  if (/index|manifest\.list/.test(mediaType)) return 'index'
  if (artifactType === undefined || imageConfigs.has(artifactType)) return 'image'
  return artifactType.startsWith('application/vnd.cncf.helm.') ? 'chart' : 'artifact'
}
