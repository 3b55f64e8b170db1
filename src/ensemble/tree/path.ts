// Paths of znodes: ZooKeeper's rules for them, and taking them apart. Pure functions.

/** Null when `path` is a legal znode path, else what is wrong with it. */
export function pathProblem(path: string): string | null {
  if (path.length === 0) return 'path is empty'
  if (path[0] !== '/') return 'path must start with /'
  if (path.length === 1) return null
  if (path.endsWith('/')) return 'path must not end with /'
  for (let i = 1; i < path.length; i++) {
    const code = path.charCodeAt(i)
    if (code === 0x2f && path.charCodeAt(i - 1) === 0x2f) return `empty name at character ${i}`
    if (isForbidden(code)) return `character 0x${code.toString(16)} at ${i} is not allowed`
  }
  if (/\/\.{1,2}(?:\/|$)/.test(path)) return 'relative names are not allowed'
  return null
}

/** ZooKeeper's list: control characters, surrogates and private use, and the noncharacters at the end. */
function isForbidden(code: number): boolean {
  return code <= 0x1f || (code >= 0x7f && code <= 0x9f) || (code >= 0xd800 && code <= 0xf8ff) || code >= 0xfff0
}

/** The parent's path; '' for the root. */
export function parentOf(path: string): string {
  if (path === '/') return ''
  const slash = path.lastIndexOf('/')
  return slash === 0 ? '/' : path.slice(0, slash)
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function childPath(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`
}

/** The counter as ZooKeeper's %010d writes it. */
export function sequenceSuffix(counter: number): string {
  return counter < 0 ? `-${String(-counter).padStart(9, '0')}` : String(counter).padStart(10, '0')
}
