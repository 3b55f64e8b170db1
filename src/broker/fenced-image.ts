// What a node without a lease knows of itself. Pure.

import type { MetadataImage } from '../controller/image.js'

/** `image` as the others will see it: the node is fenced. */
export function withFenced(image: MetadataImage, nodeId: number): MetadataImage {
  const own = image.brokers.get(nodeId)
  return own ? { ...image, brokers: new Map(image.brokers).set(nodeId, { ...own, fenced: true }) } : image
}
