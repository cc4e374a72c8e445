// The settings of the lanes, in the address of the page.

export function mountAddress(_store) {}
